"""Loads programs into the kernel.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

for command in range(3):
    attempt(f"bpf {command}", syscall, 321, command, (ctypes.c_char * 128)(), 128)
