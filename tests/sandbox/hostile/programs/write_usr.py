"""Writes where the image has its programs, and into the image's other places.

kind: disk and inodes
outcome: refused EROFS EACCES
why: The root is read-only, and belongs to somebody else.
"""

for folder in (
    "/usr",
    "/usr/bin",
    "/opt/venv",
    "/opt/interview",
    "/etc",
    "/",
    "/var/tmp",
    "/run",
    "/home",
    "/dev",
):
    attempt(folder, write, folder + "/x")
