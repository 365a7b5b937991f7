"""Sets up an io_uring, which does system calls that no filter sees.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
sample: yes
"""

attempt("io_uring_setup", syscall, 425, 8, (ctypes.c_char * 120)())
attempt("io_uring_enter", syscall, 426, 3, 1, 0, 0, 0, 0)
attempt("io_uring_register", syscall, 427, 3, 0, 0, 0)
