"""Kernelspecs of the sandbox profiles, made of the profiles themselves.

What is installed on the machine (``kernelspecs/``) is for plain JupyterLab. Rooms take theirs from
here: a profile that was only configured has one too, and nothing installed can hide it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

from .profiles import Profile

PREFIX = "interview-"
PROVISIONER = "interview-docker-provisioner"


def kernel_name(profile: Profile) -> str:
    """What the profile's kernelspec is called."""
    return PREFIX + profile.name


def spec_of(profile: Profile) -> dict[str, Any]:
    """What stands in the ``kernel.json`` of a profile."""
    return {
        "argv": ["interview-sandbox"],
        "display_name": profile.display_name,
        "language": profile.language,
        "interrupt_mode": "message",
        "metadata": {
            "debugger": False,
            "language_info": dict(profile.language_info),
            "kernel_provisioner": {
                "provisioner_name": PROVISIONER,
                "config": {"profile": profile.name},
            },
        },
    }


class ProfileSpecs(KernelSpecManager):
    """Knows ``interview-<profile>`` for each profile, and nothing else."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        super().__init__()
        self._profiles = profiles

    def find_kernel_specs(self) -> dict[str, str]:
        """See :class:`KernelSpecManager`. There are no folders."""
        return {kernel_name(profile): "" for profile in self._profiles.values()}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """See :class:`KernelSpecManager`."""
        profile = self._profiles.get(kernel_name.removeprefix(PREFIX))
        if profile is None or not kernel_name.startswith(PREFIX):
            raise NoSuchKernel(kernel_name)
        return KernelSpec(**spec_of(profile))
