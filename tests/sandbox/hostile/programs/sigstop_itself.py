"""Stops its own process with SIGSTOP.

kind: cpu
outcome: killed time limit
why: A stopped kernel answers nothing; the clock is the host's.
limits: run_s=3
"""

os.kill(os.getpid(), signal.SIGSTOP)
