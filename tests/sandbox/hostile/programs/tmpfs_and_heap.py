"""Fills the work folder and /tmp, and then as much heap as would be allowed alone.

kind: memory
outcome: killed memory limit
why: Both places live in memory and count into the same limit.
"""

block = bytes(1 << 20)
for path in ("/work/fill", "/tmp/fill"):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(block)
        except OSError:
            pass
x = b"x" * (800 << 20)
