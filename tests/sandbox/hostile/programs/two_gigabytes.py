"""Allocates 2 GB at once.

kind: memory
outcome: killed memory limit
why: The container has 1 GiB and no swap, and the reason is named.
sample: yes
"""

x = b"x" * (2 << 30)
