"""Fills the work folder and /tmp.

kind: disk and inodes
outcome: refused ENOSPC
why: Both have a size.
limits: work_bytes=33554432 tmp_bytes=16777216
sample: yes
"""

block = bytes(1 << 20)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        while True:
            if file.write(block) < len(block):
                raise OSError(errno.ENOSPC, "cut short")


for path in ("/work/fill", "/tmp/fill"):
    attempt(path, fill, path)
    os.unlink(path)
