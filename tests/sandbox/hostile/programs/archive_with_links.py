"""Unpacks an archive whose entries lead out of the work folder.

kind: disk and inodes
outcome: refused EROFS EACCES EEXIST
why: It writes with the candidate's rights, on a root that is read-only.
"""

import io
import tarfile

for name, link in (("/etc/x", ""), ("../etc/x", ""), ("out/x", "/etc")):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as packed:
        if link:
            entry = tarfile.TarInfo("out")
            entry.type, entry.linkname = tarfile.SYMTYPE, link
            packed.addfile(entry)
        entry = tarfile.TarInfo(name)
        entry.size = 1
        packed.addfile(entry, io.BytesIO(b"x"))
    archive.seek(0)
    with tarfile.open(fileobj=archive) as packed:
        attempt(name, packed.extractall, "/work", None)
os.unlink("/work/out")
