"""Asks a cloud's metadata service at its link-local address.

kind: network
outcome: refused ENETUNREACH
why: The container has no interface but loopback.
"""

for address in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254"):
    attempt(address, socket.create_connection, (address, 80), 2)
