"""Loads another kernel or a module, and turns the machine off.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt("kexec_load", syscall, 246, 0, 0, None, 0)
attempt("kexec_file_load", syscall, 320, -1, -1, 0, b"", 0)
attempt("init_module", syscall, 175, b"x", 1, b"")
attempt("finit_module", syscall, 313, -1, b"", 0)
attempt("delete_module", syscall, 176, b"x", 0)
attempt("reboot", syscall, 169, -18751827, 672274793, 0x4321FEDC, None)
attempt("swapon", syscall, 167, b"/work/x", 0)
attempt("acct", syscall, 163, b"/work/x")
attempt("syslog", syscall, 103, 3, (ctypes.c_char * 64)(), 64)
