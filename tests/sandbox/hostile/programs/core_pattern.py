"""Has the host run a program at the next crash.

kind: file system
outcome: refused EACCES EROFS EPERM
why: The setting is read-only in a container.
"""

attempt("write", write, "/proc/sys/kernel/core_pattern", b"|/work/x")
attempt("chmod", os.chmod, "/proc/sys/kernel/core_pattern", 0o777)
attempt("by another way", write, "/proc/self/root/proc/sys/kernel/core_pattern", b"|/work/x")
