"""Handles its own page faults, a tool of many exploits.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt("userfaultfd", syscall, 323, 0)
attempt("for user faults only", syscall, 323, 1)
