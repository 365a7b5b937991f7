"""Locks 512 MB into memory, and asks for huge pages.

kind: memory
outcome: refused ENOMEM EPERM EINVAL EAGAIN
why: What may be locked is bounded; huge pages are none of the container's.
"""

import mmap

attempt("mlock", syscall, 149, ctypes.c_void_p(0x10000), 512 << 20)
attempt("MAP_HUGETLB", mmap.mmap, -1, 1 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
