"""Writes 2 GB into an anonymous file of memory.

kind: memory
outcome: killed memory limit
why: Such pages are charged to the container too.
"""

block = bytes(1 << 20)
files = [os.memfd_create("x") for _ in range(10)]
for file in files:
    for _ in range(200):
        os.write(file, block)
