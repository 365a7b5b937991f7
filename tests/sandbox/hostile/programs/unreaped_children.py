"""Leaves dead children unreaped until no more fit.

kind: pids and descriptors
outcome: refused EAGAIN
why: They count until somebody reaps them, in the container's own limit.
limits: pids=64
"""


def spawn_all():
    while True:
        os.posix_spawn("/bin/true", ["true"], {})


attempt("children", spawn_all)
try:
    while True:
        os.waitpid(-1, 0)
except ChildProcessError:
    pass
