"""Triggers the host's magic keys, and other switches of its kernel.

kind: file system
outcome: refused EACCES EROFS ENOENT EPERM
why: Read-only, and the host's root's.
"""

for path in (
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/net/ipv4/ip_forward",
    "/sys/kernel/uevent_helper",
    "/proc/sys/fs/binfmt_misc/register",
    "/sys/power/state",
    "/proc/1/oom_score_adj",
    "/sys/module/kernel/parameters/panic",
):
    attempt(path, write, path, b"1")
attempt("its own killing order", write, "/proc/self/oom_score_adj", b"-1000")
