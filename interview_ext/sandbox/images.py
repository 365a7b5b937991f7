"""Sandbox images: found, named after their content, built where they are missing.

``python -m interview_ext.sandbox.images build`` builds all; an image whose folder has not changed
is found by its tag in a moment. The plain builder is used, since not every engine has BuildKit.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
import requests

from interview_ext.errors import EngineUnavailable, SandboxError

from .folders import BASE, image_folder, is_reference, sources
from .profiles import PROFILES

REPOSITORY = "interview-sandbox"
STAGE_LABEL = "interview.build-stage"
DIGEST_CHARS = 16
BUILD_TIMEOUT_S = 1800
SHOWN = ("Step ", "Successfully ", "Collecting ", "ERROR: ", "E: ")
DEBIAN_MIRROR = "http://deb.debian.org/debian"
Progress = Callable[[str], None]


def reference(image: str) -> str:
    """What the engine calls an image: for a folder of ours a tag that changes with its content."""
    if is_reference(image):
        return image
    folder = image_folder(image)
    return f"{REPOSITORY}-{folder.name}:{_digest(folder)}"


def _digest(folder: Path) -> str:
    """A digest of the folder's content, and of the base's where it stands on that."""
    digest = hashlib.sha256(platform.machine().encode())
    if _stands_on_base(folder):
        digest.update(_digest(image_folder(BASE)).encode())
    for name, path in sources(folder):
        digest.update(f"\0{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGEST_CHARS]


def _stands_on_base(folder: Path) -> bool:
    return re.search(r"^ARG BASE$", (folder / "Dockerfile").read_text(), re.MULTILINE) is not None


# -- building -------------------------------------------------------------------------------


def build(image: str, *, client: docker.APIClient, progress: Progress) -> str:
    """Build an image unless it is there already; the answer is its reference.

    Raises
    ------
    SandboxError
        The build failed; the message is the builder's.
    """
    tag = reference(image)
    if _exists(client, tag):
        progress(f"{tag} is up to date")
        return tag
    folder = image_folder(image)
    if _stands_on_base(folder):
        base = build(BASE, client=client, progress=progress)
    else:
        base = _base_image(folder)
        if not _exists(client, base):
            _provide_base(base, client=client, progress=progress)
    progress(f"building {tag}")
    files = {name: path.read_bytes() for name, path in sources(folder)}
    run_build(files, tag=tag, base=base, client=client, progress=progress)
    return tag


def run_build(
    files: Mapping[str, bytes], *, tag: str, base: str, client: docker.APIClient, progress: Progress
) -> None:
    """Build an image from these files, with the machine's pip settings beside them.

    Raises
    ------
    SandboxError
        The build failed; the message is the builder's.
    """
    lines = client.build(
        fileobj=archive({**files, **host_files()}),
        custom_context=True,
        tag=tag,
        rm=True,
        forcerm=True,
        decode=True,
        buildargs={"BASE": base, **proxies()},
        timeout=BUILD_TIMEOUT_S,
    )
    for line in lines:
        if "error" in line:
            raise SandboxError(f"Building {tag} failed: {line['error'].strip()}")
        for text in str(line.get("stream", "")).splitlines():
            if text.startswith(SHOWN):
                progress(text)
    # The stage that saw the machine's own settings goes, with its hundreds of megabytes.
    client.prune_images(filters={"dangling": True, "label": f"{STAGE_LABEL}=packages"})


def _exists(client: docker.APIClient, tag: str) -> bool:
    try:
        client.inspect_image(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def _base_image(folder: Path) -> str:
    found = re.search(r"^FROM\s+(\S+)", (folder / "Dockerfile").read_text(), re.MULTILINE)
    if found is None:
        raise SandboxError(f"{folder.name}/Dockerfile names no base image.")
    return found[1]


def archive(files: Mapping[str, bytes]) -> io.BytesIO:
    """Return these files as a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _pip_settings() -> Mapping[str, str]:
    """What pip goes by on this machine: its configuration files and environment, flattened."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    settings = {}
    for line in answer.stdout.splitlines():
        name, _, value = line.partition("=")
        settings[name.split(".", 1)[-1].lstrip(".")] = value.strip("'\"")
    return settings


def host_files() -> dict[str, bytes]:
    """``pip.conf`` with the package index and ``ca.pem``, as far as this machine has its own.

    Addresses of local folders and of the machine itself mean nothing inside a build.
    """
    settings = _pip_settings()
    lines = ["[global]"]
    for name in ("index-url", "extra-index-url", "trusted-host", "timeout"):
        values = [v for v in settings.get(name, "").split() if _reachable_from_build(v)]
        if values:
            lines.append(f"{name} = {' '.join(values)}")
    files = {"host/pip.conf": "\n".join([*lines, ""]).encode()}
    bundles = [settings.get("cert"), os.environ.get("SSL_CERT_FILE")]
    for bundle in bundles:
        if bundle and Path(bundle).is_file():
            files["host/ca.pem"] = Path(bundle).read_bytes()
            break
    return files


def _reachable_from_build(value: str) -> bool:
    address = urlsplit(value)
    if not address.scheme:
        return not value.startswith("/")
    local = address.hostname in {"localhost", "127.0.0.1", "::1"}
    return address.scheme in {"http", "https"} and not local


def proxies() -> dict[str, str]:
    """Proxy settings; the builder keeps arguments of these names out of the image's history."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    spelled = [n for name in names for n in (name, name.upper())]
    return {name: os.environ[name] for name in spelled if os.environ.get(name)}


# -- the base -------------------------------------------------------------------------------


def _provide_base(base: str, *, client: docker.APIClient, progress: Progress) -> None:
    """Pull the base image, or make it with debootstrap where no registry can be reached."""
    progress(f"pulling {base}")
    try:
        lines = list(client.pull(base, stream=True, decode=True))
        problem = next((str(line["error"]) for line in lines if "error" in line), "")
    except docker.errors.APIError as error:
        problem = str(error.explanation)
    if problem:
        progress(f"cannot pull {base}: {problem}")
        _bootstrap(base, client=client, progress=progress)


def _bootstrap(base: str, *, client: docker.APIClient, progress: Progress) -> None:
    found = re.fullmatch(r"debian:([a-z]+)(?:-slim)?", base)
    if found is None or os.geteuid() != 0:
        raise SandboxError(
            f"The base image {base} can neither be pulled nor made here.",
            hint=f"Load an image named {base} into the engine, or run this as root on Debian.",
        )
    if shutil.which("debootstrap") is None:
        progress("installing debootstrap")
        _command(["apt-get", "update", "-q"])
        _command(["apt-get", "install", "-q", "-y", "--no-install-recommends", "debootstrap"])
    with tempfile.TemporaryDirectory(prefix="interview-base-") as folder:
        progress(f"making {base} with debootstrap (about a minute)")
        root = Path(folder) / "root"
        _command(["debootstrap", "--variant=minbase", found[1], str(root), DEBIAN_MIRROR])
        progress(f"importing {base}")
        archive = Path(folder) / "root.tar"
        skip = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./dev/*"]
        _command(["tar", "-C", str(root), "--numeric-owner", *skip, "-cf", str(archive), "."])
        name, _, tag = base.partition(":")
        answer = client.import_image_from_file(str(archive), repository=name, tag=tag)
        if "error" in str(answer).lower():
            raise SandboxError(f"The engine could not import {base}: {answer}")


def _command(arguments: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise SandboxError(f"{arguments[0]} failed:\n{last}")


# -- command line ---------------------------------------------------------------------------


def connect() -> docker.APIClient:
    """A client of the engine that the environment names. Raises EngineUnavailable."""
    try:
        return docker.DockerClient.from_env(version="auto", timeout=BUILD_TIMEOUT_S).api
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise EngineUnavailable("No container engine answers.") from error


def main(arguments: list[str] | None = None) -> int:
    """``build [image …]`` builds what is missing; ``status`` tells what is there, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m interview_ext.sandbox.images")
    parser.add_argument("command", choices=("build", "status"))
    known = sorted({profile.image for profile in PROFILES.values()})
    parser.add_argument("image", nargs="*", default=known)
    options = parser.parse_args(arguments)

    def say(text: str) -> None:
        sys.stdout.write(f"images: {text}\n")
        sys.stdout.flush()

    try:
        client = connect()
        try:
            if options.command == "build":
                for image in options.image:
                    build(image, client=client, progress=say)
                return 0
            state: dict[str, Any] = {i: _exists(client, reference(i)) for i in options.image}
            sys.stdout.write(json.dumps(state) + "\n")
            return 0 if all(state.values()) else 1
        finally:
            client.close()
    except SandboxError as error:
        sys.stderr.write(f"images: {error.message}\n{error.hint}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
