"""Sends datagrams to other machines and to all.

kind: network
outcome: refused ENETUNREACH
why: The container has no interface but loopback.
"""

for address in ("192.0.2.1", "172.17.0.1", "255.255.255.255", "224.0.0.1"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        attempt(address, sender.sendto, b"x", (address, 53))
