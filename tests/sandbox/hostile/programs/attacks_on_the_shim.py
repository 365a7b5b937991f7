"""Stops, reads and writes the process that speaks with the host.

kind: jupyter protocol
outcome: refused EPERM EACCES ENOENT ESRCH EROFS
why: It has another uid, and no capability can bridge that.
"""

for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    attempt(number.name, os.kill, 1, number)
    attempt(f"{number.name} by descriptor", signal.pidfd_send_signal, os.pidfd_open(1), number)
for name in (
    "mem",
    "environ",
    "maps",
    "fd/0",
    "fd/1",
    "fd/2",
    "io",
    "stack",
    "syscall",
    "auxv",
    "pagemap",
    "personality",
):
    attempt(f"read {name}", lambda name=name: [read(f"/proc/1/{name}")])
for name in (
    "mem",
    "fd/1",
    "fd/0",
    "oom_score_adj",
    "clear_refs",
    "coredump_filter",
    "attr/current",
):
    attempt(f"write {name}", write, f"/proc/1/{name}", b"x")
attempt("its descriptors", os.listdir, "/proc/1/fd")
attempt("its root", os.listdir, "/proc/1/root")
attempt("its processors", os.sched_setaffinity, 1, {0})
