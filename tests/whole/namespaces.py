"""Another machine: a network namespace with one cable to this one, and a TLS proxy between."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROXY = """
daemon off;
user root;  # another cannot enter this folder
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen {address}:443 ssl;
        server_name {name};
        ssl_certificate {folder}/server.crt;
        ssl_certificate_key {folder}/server.key;
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A network namespace. `gateway` is this machine's address on the cable to it."""

    name: str
    gateway: str

    def wrap(self, program: str, folder: Path) -> str:
        """Return a program that runs another one in the namespace."""
        script = folder / "elsewhere"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {program} "$@"\n')
        script.chmod(0o755)
        return str(script)


@contextmanager
def another_machine() -> Iterator[Elsewhere]:
    """Make a namespace that reaches this machine by one address, and nothing else."""
    if os.geteuid() != 0:
        pytest.skip("making a network namespace takes root")
    if shutil.which("ip") is None:
        pytest.skip("there is no ip (make services)")
    mark = secrets.token_hex(3)
    name, here, there = f"interview-{mark}", f"iv{mark}a", f"iv{mark}b"
    net = f"198.18.{secrets.randbelow(256)}"  # RFC 2544: for tests between networks
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"this kernel makes no network namespace: {made.stderr.strip()}")
    try:
        for command in (
            f"link add {here} type veth peer name {there}",
            f"link set {there} netns {name}",
            f"addr add {net}.1/30 dev {here}",
            f"link set {here} up",
            f"-n {name} addr add {net}.2/30 dev {there}",
            f"-n {name} link set {there} up",
            f"-n {name} link set lo up",
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        yield Elsewhere(name=name, gateway=f"{net}.1")
    finally:
        # The peer goes with its namespace once its last process is gone; ours takes it along now.
        subprocess.run(["ip", "link", "del", here], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=True)


@contextmanager
def tls_proxy(folder: Path, *, name: str, address: str, port: int) -> Iterator[None]:
    """Run nginx, set up as its manual says for WebSockets, in front of a port of this machine."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path=NGINX_FOLDER)
    if nginx is None:
        pytest.skip("there is no nginx (make services)")
    config = folder / "nginx.conf"
    config.write_text(PROXY.format(folder=folder, address=address, name=name, port=port))
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(
            [nginx, "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(config)],
            stdout=log,
            stderr=log,
        )
    try:
        yield
        assert process.poll() is None, (folder / "error.log").read_text()
    finally:
        process.terminate()
        process.wait(20)


NGINX_FOLDER = str(Path(__file__).resolve().parents[2] / ".cache" / "nginx" / "usr" / "sbin")
"""Where scripts/packages.sh unpacks it: installed, it would start a server of its own."""
