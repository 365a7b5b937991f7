"""Connects to other machines by TCP, the container's gateway included.

kind: network
outcome: refused ENETUNREACH
why: The container has no interface but loopback.
sample: yes
"""

for address in ("192.0.2.1", "172.17.0.1", "10.0.0.1", "2001:db8::1"):
    attempt(address, socket.create_connection, (address, 80), 2)
