"""Starts a process by clone3, whose flags no filter can read.

kind: kernel surface
outcome: refused ENOSYS
why: It is answered as if the kernel had no such call; libraries then use clone.
"""


class Arguments(ctypes.Structure):
    _fields_ = [(f"f{i}", ctypes.c_uint64) for i in range(11)]


attempt("clone3", syscall, 435, ctypes.byref(Arguments(f0=0x10000000, f4=17)), 88)
