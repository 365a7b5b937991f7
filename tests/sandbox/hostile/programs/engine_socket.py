"""Connects to the sockets of container engines.

kind: network
outcome: refused ENOENT EACCES
why: Nothing of the host is mounted.
"""

for path in (
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/dbus/system_bus_socket",
):
    with socket.socket(socket.AF_UNIX) as client:
        attempt(path, client.connect, path)
