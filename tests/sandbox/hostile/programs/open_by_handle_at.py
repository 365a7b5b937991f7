"""Opens files of the host by their handles.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt(
    "name_to_handle_at",
    syscall,
    303,
    -100,
    b"/work",
    (ctypes.c_char * 256)(),
    (ctypes.c_int * 1)(),
    0,
)
attempt("open_by_handle_at", syscall, 304, os.open("/", os.O_RDONLY), (ctypes.c_char * 256)(), 0)
attempt("fanotify_init", syscall, 300, 0, 0)
