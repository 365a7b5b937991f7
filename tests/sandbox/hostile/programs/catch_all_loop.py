"""Catches whatever would stop it, and goes on.

kind: cpu
outcome: killed time limit
why: What cannot be interrupted is ended with its container.
limits: run_s=3
sample: yes
"""

while True:
    try:
        while True:
            pass
    except BaseException:
        continue
