"""Sums in C, where no signal is looked at and no thread gets its turn.

kind: cpu
outcome: killed time limit
why: Neither signal nor message reaches such a kernel; its container can be ended.
limits: run_s=3
"""

sum(range(10**15))
