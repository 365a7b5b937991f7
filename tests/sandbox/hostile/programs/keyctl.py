"""Uses the kernel's key rings, which know no container.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt("keyctl", syscall, 250, 0, -3, 1)
attempt("add_key", syscall, 248, b"user", b"x", b"y", 1, -3)
attempt("request_key", syscall, 249, b"user", b"x", None, -3)
