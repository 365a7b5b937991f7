"""Opens raw sockets, and those of protocols for which the host would load a module.

kind: network
outcome: refused EPERM
why: Only TCP and UDP are on the list of protocols.
"""

for family in (socket.AF_INET, socket.AF_INET6):
    for name, protocol in (
        ("ICMP", 1),
        ("DCCP", 33),
        ("SCTP", 132),
        ("UDPLITE", 136),
        ("MPTCP", 262),
    ):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            attempt(
                f"{family.name} {name} {kind.name}", syscall, 41, int(family), int(kind), protocol
            )
    attempt(f"{family.name} raw", syscall, 41, int(family), int(socket.SOCK_RAW), 6)
    attempt(f"{family.name} DCCP by its type", syscall, 41, int(family), 6, 0)
