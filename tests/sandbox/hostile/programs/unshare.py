"""Makes new namespaces, and enters others.

kind: kernel surface
outcome: refused EPERM EINVAL
why: Neither call is on the list, and clone takes no such flag.
"""

for name, bit in (
    ("user", 0x10000000),
    ("mount", 0x20000),
    ("net", 0x40000000),
    ("pid", 0x20000000),
    ("uts", 0x4000000),
    ("cgroup", 0x2000000),
):
    attempt(f"unshare {name}", syscall, 272, bit)
    attempt(f"clone {name}", lambda bit=bit: syscall(56, bit | 17, 0, 0, 0, 0) or os._exit(0))
    attempt(f"setns {name}", syscall, 308, os.open("/proc/self/ns/net", os.O_RDONLY), bit)
