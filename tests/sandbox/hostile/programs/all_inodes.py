"""Makes empty files until no more fit.

kind: disk and inodes
outcome: refused ENOSPC
why: A file costs memory even when it is empty; so their number is bounded, beside their size.
limits: work_bytes=16777216 tmp_bytes=8388608
"""

import shutil


def make_all(folder):
    os.mkdir(folder)
    number = 0
    while True:
        os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
        number += 1


for folder in ("/work/inodes", "/tmp/inodes"):
    attempt(folder, make_all, folder)
    shutil.rmtree(folder)
