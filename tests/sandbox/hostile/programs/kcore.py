"""Reads the host's memory, and what tells about its kernel.

kind: file system
outcome: refused EACCES EPERM ENOENT EMPTY
why: Masked, or closed to a user without capabilities.
sample: yes
"""

for path in (
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/iomem",
    "/dev/mem",
    "/dev/kmem",
    "/dev/kmsg",
    "/proc/kpagecount",
    "/proc/vmallocinfo",
    "/proc/slabinfo",
    "/proc/cmdline",
    "/proc/interrupts",
    "/sys/kernel/debug/tracing/trace",
    "/sys/kernel/notes",
    "/sys/kernel/vmcoreinfo",
    "/proc/1/environ",
):
    attempt(path, read, path)
