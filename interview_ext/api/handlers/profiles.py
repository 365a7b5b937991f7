"""Which languages an interview can be held in."""

from __future__ import annotations

from interview_ext.api import schemas
from interview_ext.api.base import ApiHandler


class ProfilesHandler(ApiHandler):
    """``/profiles``"""

    async def get(self) -> None:
        self.answer(
            schemas.ProfileList(
                profiles=tuple(
                    schemas.Profile(
                        id=name,
                        title=profile.display_name,
                        language=profile.language,
                        packages=None if profile.installer is None else profile.installer.kind,
                    )
                    for name, profile in self.services.profiles.items()
                )
            )
        )
