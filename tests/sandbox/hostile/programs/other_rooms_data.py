"""Looks for other rooms' data sets, from every root and folder that processes have.

kind: information
outcome: refused ENOENT EACCES EMPTY
why: A room's data is put into its own container; large files are mounted where none can be listed.
"""

for path in (
    "/work/data/sales.csv",
    "/data",
    "/mnt/data",
    "/srv",
    "/work/../data/sales.csv",
    "/proc/1/root/work/data/sales.csv",
    "/proc/1/cwd/data/sales.csv",
):
    attempt(path, lambda path=path: os.listdir(path) if os.path.isdir(path) else read(path))
attempt(
    "mounts of the host",
    lambda: [
        line
        for line in open("/proc/self/mounts")
        if line.split()[1].startswith(("/data/", "/work/data"))
    ],
)
