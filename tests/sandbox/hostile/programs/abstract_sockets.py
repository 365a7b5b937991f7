"""Connects to abstract Unix sockets of the host and of another room.

kind: network
outcome: refused ECONNREFUSED EMPTY
why: They belong to the network namespace, and each container has its own.
"""

for name in (
    "interview-hostile",
    "/tmp/.X11-unix/X0",
    "/tmp/dbus-test",
    "containerd",
    "/containerd-shim",
):
    with socket.socket(socket.AF_UNIX) as client:
        attempt(name, client.connect, "\0" + name)
with open("/proc/net/unix") as table:
    attempt("/proc/net/unix", lambda: [line for line in table if "@" in line])
