"""Measures with the processor's counters.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt("perf_event_open", syscall, 298, (ctypes.c_char * 120)(), 0, -1, -1, 0)
