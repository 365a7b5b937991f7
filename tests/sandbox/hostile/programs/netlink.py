"""Speaks to the kernel by netlink: other protocols, and a new interface.

kind: network
outcome: refused EPERM
why: Only the routing protocol may be opened, and it takes no change without a capability.
"""

for protocol in range(1, 23):
    attempt(f"protocol {protocol}", socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, protocol)


def new_interface():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as routing:
        body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HH", 8, 3) + b"h0\0\0"
        routing.send(struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
        code = struct.unpack_from("i", routing.recv(4096), 16)[0]
    if code:
        raise OSError(-code, "refused")


attempt("a new interface", new_interface)
