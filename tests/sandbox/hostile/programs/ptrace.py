"""Traces processes: asks to be traced itself, and attaches to the shim.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt("PTRACE_TRACEME", syscall, 101, 0, 0, 0, 0)
attempt("PTRACE_ATTACH", syscall, 101, 16, 1, 0, 0)
attempt("PTRACE_SEIZE", syscall, 101, 0x4206, 1, 0, 0)
attempt("a child", syscall, 101, 16, os.getppid() or 1, 0, 0)
