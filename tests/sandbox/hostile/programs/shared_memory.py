"""Fills /dev/shm.

kind: memory
outcome: refused ENOSPC
why: It has 1 MiB.
"""

write("/dev/shm/fill", bytes(2 << 20))
with open("/dev/shm/fill", "ab", buffering=0) as file:
    attempt("more", file.write, bytes(1 << 20))
os.unlink("/dev/shm/fill")
