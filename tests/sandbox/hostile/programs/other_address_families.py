"""Opens sockets of every address family that reaches past the network namespace: AF_VSOCK, AF_ALG,
AF_PACKET and all the others.

kind: network
outcome: refused EPERM
why: Only Unix, IPv4, IPv6 and the routing netlink are on the list.
"""

allowed = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}
names = {17: "AF_PACKET", 38: "AF_ALG", 40: "AF_VSOCK"}
for family in sorted(set(range(46)) - {int(each) for each in allowed}):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        attempt(f"{names.get(family, family)} {kind.name}", syscall, 41, family, int(kind), 0)
        attempt(
            f"pair {family} {kind.name}", syscall, 53, family, int(kind), 0, (ctypes.c_int * 2)()
        )
