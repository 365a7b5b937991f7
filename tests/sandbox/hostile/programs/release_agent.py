"""Has the host run a program when a control group is empty, and raises its limits there.

kind: file system
outcome: refused EACCES EROFS EPERM ENOENT
why: Control groups are mounted read-only, and mounting takes a capability.
"""

for folder in [found[0] for found in os.walk("/sys/fs/cgroup")]:
    for name in (
        "release_agent",
        "notify_on_release",
        "cgroup.procs",
        "memory.limit_in_bytes",
        "memory.max",
        "cpu.cfs_quota_us",
        "cpu.max",
        "pids.max",
        "devices.allow",
    ):
        attempt(f"{folder}/{name}", write, f"{folder}/{name}", b"max")
attempt("a new group", os.mkdir, "/sys/fs/cgroup/x")
attempt("mount", syscall, 165, b"cgroup", b"/work", b"cgroup", 0, b"rdma")
