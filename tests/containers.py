"""What the container engine has of somebody."""

from __future__ import annotations

import docker

from interview_ext.sandbox.sandboxes import SERVER_LABEL


def containers(server_id: str) -> list[str]:
    """The ids of the containers, in whatever state, of a server or broker."""
    client = docker.from_env()
    try:
        label = f"{SERVER_LABEL}={server_id}"
        return [row["Id"] for row in client.api.containers(all=True, filters={"label": label})]
    finally:
        client.close()
