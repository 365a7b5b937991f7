"""Makes a sparse file of 1 TB.

kind: disk and inodes
outcome: refused EFBIG
why: No file may be larger than the profile says, whatever it holds.
"""

with open("sparse", "wb") as file:
    attempt("truncate", file.truncate, 1 << 40)
    attempt("fallocate", os.posix_fallocate, file.fileno(), 0, 1 << 40)
    attempt("write far out", os.pwrite, file.fileno(), b"x", 1 << 40)
os.unlink("sparse")
