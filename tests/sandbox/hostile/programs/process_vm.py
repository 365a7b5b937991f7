"""Reads and writes other processes' memory, and takes their descriptors.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt("process_vm_readv", syscall, 310, 1, None, 0, None, 0, 0)
attempt("process_vm_writev", syscall, 311, 1, None, 0, None, 0, 0)
attempt("pidfd_getfd", syscall, 438, os.pidfd_open(1), 0, 0)
attempt("kcmp", syscall, 312, os.getpid(), 1, 0, 0, 0)
attempt("process_madvise", syscall, 440, os.pidfd_open(1), None, 0, 4, 0)
attempt("move_pages", syscall, 279, 1, 0, None, None, None, 0)
