"""Raises its own limits, and those of the shim.

kind: pids and descriptors
outcome: refused EPERM EACCES UNRAISED
why: Hard limits go down only.
"""

import resource


def raise_to(which, value):
    try:
        resource.setrlimit(which, (value, value))
    except ValueError:  # how Python says that a hard limit cannot be raised
        raise PermissionError(errno.EPERM, "not raised") from None


attempt("descriptors", raise_to, resource.RLIMIT_NOFILE, 65536)
attempt("core", raise_to, resource.RLIMIT_CORE, 1 << 30)
attempt("file size", raise_to, resource.RLIMIT_FSIZE, 1 << 40)
attempt("the shim's", resource.prlimit, 1, resource.RLIMIT_NOFILE, (4, 4))
