"""Unpacks an archive of 1 MB with a gigabyte in it.

kind: disk and inodes
outcome: refused ENOSPC EFBIG
why: What it holds has to fit into the work folder, and there it stops.
"""

import io
import zipfile

archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
    with packed.open("bomb", "w", force_zip64=True) as entry:
        for _ in range(1024):
            entry.write(bytes(1 << 20))
attempt("unpack", zipfile.ZipFile(archive).extractall, "/work")
os.unlink("/work/bomb")
