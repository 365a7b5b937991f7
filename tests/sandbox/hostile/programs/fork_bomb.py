"""Forks without end, and so do its children.

kind: pids and descriptors
outcome: killed time limit
why: The container's limit of processes holds all of them, and they end with it.
limits: pids=64 run_s=3
sample: yes
"""

while True:
    try:
        os.fork()
    except OSError:
        pass
