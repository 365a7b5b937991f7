"""Opens the host's devices, and makes new ones.

kind: file system
outcome: refused ENOENT EPERM EACCES ENXIO
why: No device is passed in, and making one takes a capability.
"""

for name in (
    "sda",
    "vda",
    "nvme0n1",
    "loop0",
    "loop-control",
    "kvm",
    "fuse",
    "net/tun",
    "mapper/control",
    "vhost-vsock",
    "dri/card0",
    "console",
    "autofs",
    "userfaultfd",
    "vda1",
    "root",
):
    attempt(name, read, f"/dev/{name}")
for kind in (0o60666, 0o20666):
    attempt(
        f"mknod {kind:o}", os.mknod, "/work/device", kind, os.makedev(8 if kind & 0o40000 else 1, 1)
    )
