"""Prints 400 MB as fast as it can.

kind: output
outcome: truncated were not shown: they came too fast
why: The host takes so many bytes a second; the rest is dropped inside, and that is said.
"""

line = "x" * 100_000
for _ in range(4000):
    print(line, flush=True)
