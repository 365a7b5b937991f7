"""Makes system calls by the conventions of other machines, past a filter that knows one.

kind: kernel surface
outcome: refused SIGSYS SIGSEGV ENOSYS EPERM
why: The filter ends, or refuses, whatever comes by another convention.
"""

import mmap


def code(machine):
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(machine)
    return ctypes.CFUNCTYPE(ctypes.c_int)(
        ctypes.addressof(ctypes.c_char.from_buffer(memory))
    ), memory


def by_interrupt():
    # mov eax, 20 (getpid); int 0x80; ret
    run, _ = code(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    if run() <= 0:
        raise OSError(errno.ENOSYS, "refused")


print("ATTEMPT int 0x80:", in_child(by_interrupt))
print("ATTEMPT x32 getpid:", in_child(lambda: syscall(0x40000000 + 39)))
print("ATTEMPT x32 ptrace:", in_child(lambda: syscall(0x40000000 + 521, 0, 0, 0, 0)))
