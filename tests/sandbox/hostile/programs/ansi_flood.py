"""Prints 4 MB of control sequences of terminals.

kind: output
outcome: held at the end
why: To the relay they are bytes; those who draw them bound what they do.
"""

for _ in range(64):
    print("\x1b[1000Cx\x1b[2J\x1b[1K\x1b[38;2;1;2;3m\x1b]0;title\x07" * 1500, flush=True)
print("at the end")
