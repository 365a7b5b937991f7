"""Kills every process but itself.

kind: cross-room
outcome: refused ESRCH EPERM
why: PID 1 has another uid, and those of other rooms have no number in here.
"""

attempt("all", os.kill, -1, signal.SIGKILL)
attempt("its parent", os.kill, os.getppid(), signal.SIGKILL) if os.getppid() else None
attempt("a group of PID 1's", os.killpg, 1, signal.SIGKILL)
