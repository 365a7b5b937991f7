"""Fills the disk with files that have no name any more.

kind: disk and inodes
outcome: refused ENOSPC
why: They count as long as they are open, and go with their process.
limits: work_bytes=33554432 tmp_bytes=16777216
"""

kept = []


def hide(folder):
    while True:
        file = os.open(f"{folder}/hidden", os.O_CREAT | os.O_RDWR)
        os.unlink(f"{folder}/hidden")
        kept.append(file)
        if os.write(file, bytes(8 << 20)) < 8 << 20:
            raise OSError(errno.ENOSPC, "cut short")


for folder in ("/work", "/tmp"):
    attempt(folder, hide, folder)
for file in kept:
    os.close(file)
