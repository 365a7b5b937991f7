"""Ignores the interrupt signal.

kind: cpu
outcome: killed time limit
why: The limit of time asks nothing of the kernel.
limits: run_s=3
"""

signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    pass
