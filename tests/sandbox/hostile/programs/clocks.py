"""Sets the host's clocks and names.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt("settimeofday", syscall, 164, struct.pack("qq", 0, 0), None)
attempt("clock_settime", syscall, 227, 0, struct.pack("qq", 0, 0))
attempt("adjtimex", syscall, 159, (ctypes.c_char * 256)())
attempt("sethostname", syscall, 170, b"x", 1)
attempt("setdomainname", syscall, 171, b"x", 1)
attempt("iopl", syscall, 172, 3)
attempt("ioperm", syscall, 173, 0, 1, 1)
attempt("modify_ldt", syscall, 154, 1, (ctypes.c_char * 16)(), 16)
attempt("personality", syscall, 135, 0x0040000)
