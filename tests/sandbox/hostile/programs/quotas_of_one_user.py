"""Uses up what the host counts for a user rather than for a container: inotify instances.

kind: cross-room
outcome: refused EPERM
why: The call is not on the list, since two rooms may have one user's number.
"""

attempt("inotify_init", syscall, 253)
attempt("inotify_init1", syscall, 294, 0)
