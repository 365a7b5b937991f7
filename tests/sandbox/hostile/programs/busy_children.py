"""Leaves eight busy processes behind that belong to no terminal or session of its own.

kind: cpu
outcome: held 8 are busy
why: They share the quota of the container, and end with it.
"""

for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        while True:
            pass
print("8 are busy")
