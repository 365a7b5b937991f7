"""Resolves names.

kind: network
outcome: refused UNRESOLVED
why: There is no server to ask.
"""

for name in (
    "example.org",
    "host.docker.internal",
    "metadata.google.internal",
    "localhost.localdomain",
):
    attempt(name, socket.getaddrinfo, name, 80)
