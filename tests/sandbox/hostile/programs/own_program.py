"""Overwrites the programs that run: its own, the shim's, and the one that starts processes.

kind: file system
outcome: refused ETXTBSY EROFS EACCES EPERM ENOENT EXDEV
why: They lie on the read-only image; the host's are nowhere to be seen.
"""

for path in (
    "/proc/self/exe",
    "/proc/1/exe",
    "/opt/venv/bin/python",
    "/opt/interview/shim.py",
    "/opt/interview/startup.py",
    "/etc/ipython/ipython_kernel_config.py",
):
    attempt(path, write, path)
    attempt(f"replace {path}", os.rename, "/proc/self/environ", path)
