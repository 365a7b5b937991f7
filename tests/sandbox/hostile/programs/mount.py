"""Mounts, by the old calls and the new ones.

kind: kernel surface
outcome: refused EPERM
why: It is not on the list of system calls.
"""

attempt("mount", syscall, 165, b"tmpfs", b"/work", b"tmpfs", 0, None)
attempt("remount", syscall, 165, None, b"/", None, 32, None)
attempt("umount2", syscall, 166, b"/proc/kcore", 2)
attempt("fsopen", syscall, 430, b"tmpfs", 0)
attempt("open_tree", syscall, 428, -100, b"/", 1)
attempt("move_mount", syscall, 429, -100, b"/work", -100, b"/tmp", 0)
attempt("mount_setattr", syscall, 442, -100, b"/", 0, None, 0)
attempt("pivot_root", syscall, 155, b"/work", b"/work")
attempt("chroot", os.chroot, "/work")
