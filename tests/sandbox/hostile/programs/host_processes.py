"""Looks for processes of the host and of other rooms.

kind: information
outcome: refused EMPTY ESRCH EPERM ENOENT
why: The container has its own process numbers: the shim, the kernel, and what the kernel
starts.
"""

strangers = [
    pid
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
    if pid not in (1, os.getpid()) and os.stat(f"/proc/{pid}").st_uid != os.getuid()
]
attempt("strangers", lambda: strangers)
attempt("the shim", os.kill, 1, 0)
for pid in range(2, 400):
    if pid != os.getpid() and not os.path.exists(f"/proc/{pid}"):
        attempt(f"process {pid}", os.kill, pid, 0)
attempt("the kernel's threads", read, "/proc/2/comm")
