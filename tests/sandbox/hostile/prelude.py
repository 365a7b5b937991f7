"""What hostile programs share: put in front of each. System calls have their x86-64 numbers."""

import ctypes
import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import time

_libc = ctypes.CDLL(None, use_errno=True)


def syscall(number, *arguments):
    """Raises OSError."""
    passed = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = _libc.syscall(ctypes.c_long(number), *passed)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def attempt(what, function, *arguments):
    """Print the name of the error it ended in: EMPTY if it got nothing, DONE if it got its way."""
    try:
        got = function(*arguments)
    except socket.gaierror:
        name = "UNRESOLVED"
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    else:
        name = "EMPTY" if got in (b"", "", []) else "DONE"
    print(f"ATTEMPT {what}: {name}", flush=True)
    return name


def read(path):
    with open(path, "rb") as file:
        return file.read(4096)


def write(path, data=b"x"):
    with open(path, "wb", buffering=0) as file:
        return file.write(data)


def in_child(function):
    """How a child that does this ends: DONE, the name of an error, or of the signal it died by."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            function()
        except OSError as error:
            code = error.errno or 255
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    code = os.WEXITSTATUS(status)
    return errno.errorcode.get(code, str(code)) if code else "DONE"
