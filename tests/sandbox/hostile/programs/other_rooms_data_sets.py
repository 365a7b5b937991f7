"""Looks for other rooms' large data files where all rooms' are mounted, and tries to change them.

kind: information
outcome: refused EACCES EPERM EROFS EBADF ENOENT ENOSYS EMPTY
why: The folder can be entered and not be listed, by no uid; a file is found by the digest of its
  content only, and the mount is read-only.
sample: yes
"""

import glob
import hashlib

PLACE = "/datasets"
OWN = "/work/data/large.bin"
own = os.path.realpath(OWN)


def within(function):
    """Call it with the mount as the working folder."""
    os.chdir(PLACE)
    try:
        return function()
    finally:
        os.chdir("/work")


def by_descriptor(path):
    descriptor = os.open(path, os.O_PATH)
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def through_a_link():
    os.symlink(PLACE, "/work/all")
    try:
        return os.listdir("/work/all")
    finally:
        os.unlink("/work/all")


def watch():
    watcher = syscall(294, 0)  # inotify_init1
    try:
        return syscall(254, watcher, PLACE.encode(), 0x20)  # inotify_add_watch, IN_OPEN
    finally:
        os.close(watcher)


def guessed():
    """Contents that somebody might have: empty, of zeros, a word."""
    words = [b"", b"a,b\n1,2\n", b"canary", *(bytes(1 << n) for n in range(8, 25))]
    words += [str(number).encode() for number in range(5000)]
    names = [hashlib.sha256(word).hexdigest() for word in words]
    near = [f"{own[:-1]}{digit}" for digit in "0123456789abcdef"]
    found = [name for name in names if os.path.exists(f"{PLACE}/{name}")]
    return found + [path for path in near if path != own and os.path.exists(path)]


attempt("its own is not what it was given", lambda: b"" if read(OWN)[:4] == b"mine" else b"x")
for path in (PLACE, f"{PLACE}/.", f"/proc/self/root{PLACE}", f"{PLACE}/../datasets"):
    attempt(f"list {path}", os.listdir, path)
attempt("list from within", within, lambda: os.listdir("."))
attempt("list by descriptor", by_descriptor, PLACE)
attempt("list through a link", through_a_link)
attempt("glob", glob.glob, f"{PLACE}/*")
attempt("walk", lambda: [names for _, _, names in os.walk(PLACE)])
attempt("watch what others open", watch)
attempt("guess digests", guessed)
attempt("names", lambda: [n for n in ("..data", "names", "new", "lock") if os.path.exists(f"{PLACE}/{n}")])
for what, function, arguments in (
    ("write", write, (OWN,)),
    ("truncate", os.truncate, (OWN, 0)),
    ("mode of its own", os.chmod, (own, 0o666)),
    ("mode of the folder", os.chmod, (PLACE, 0o777)),
    ("remove", os.unlink, (own,)),
    ("rename", os.rename, (own, f"{PLACE}/x")),
    ("make a file", write, (f"{PLACE}/x",)),
    ("make a folder", os.mkdir, (f"{PLACE}/x",)),
    ("make a link", os.symlink, ("/etc", f"{PLACE}/x")),
    ("nameless file", os.open, (PLACE, os.O_TMPFILE | os.O_RDWR)),
    ("times", os.utime, (own, (1, 1))),
    ("attribute", os.setxattr, (own, "user.x", b"x")),
    ("remount for writing", syscall, (165, None, PLACE.encode(), None, 32 | 4096, None)),
    ("unmount", syscall, (166, PLACE.encode(), 2)),
    ("clone the mount", syscall, (428, -100, PLACE.encode(), 1)),
    ("handle", syscall, (303, -100, PLACE.encode(), bytes(128), bytes(8), 0)),
):
    attempt(what, function, *arguments)
