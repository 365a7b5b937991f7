"""``jupyter interview storage migrate``: from the SQLite file into MongoDB."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from jupyter_server.serverapp import ServerApp
from traitlets import TraitError

from interview_ext.app import InterviewApp
from interview_ext.errors import InterviewError
from interview_ext.storage.addresses import redacted
from interview_ext.storage.backends import MONGODB, check_url


def migrate(*, source: Path | None, target: str | None) -> int:
    """Copy and compare, and print what either side holds. Return the exit status.

    Parameters
    ----------
    source, target:
        The SQLite file and the URL; by default those of the server's configuration.
    """
    try:
        if source is None or target is None:
            app = _configured()
            source = source or Path(app.store_path)
            target = target or app.store_url
        check_url(target, MONGODB)
    except TraitError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except ValueError as error:
        sys.stderr.write(f"The URL of MongoDB {error}.\n")
        return 2
    if not target:
        sys.stderr.write("Where to? Give --to with a URL, or set InterviewApp.store_url.\n")
        return 2
    try:
        return asyncio.run(_migrate(source.expanduser().absolute(), target))
    except InterviewError as error:
        _finish_line()
        sys.stderr.write(f"{error.message} {error.hint}".rstrip() + "\n")
        return 1
    except KeyboardInterrupt:
        _finish_line()
        sys.stderr.write("Not finished: the same command goes on from here.\n")
        return 130


def _configured() -> InterviewApp:
    server = ServerApp()
    server.load_config_file()
    app = InterviewApp(config=server.config)
    app.load_config_file()
    return app


async def _migrate(source: Path, target: str) -> int:
    from interview_ext.storage.migration import Migration

    compared = await Migration(path=source, url=target, progress=_tell).run()
    _finish_line()
    width = max(len(comparison.collection) for comparison in compared)
    for it in compared:
        verdict = "equal" if it.equal else "DIFFERENT"
        counts = f"{it.source.count:>9}" + ("" if it.equal else f" {it.target.count:>9}")
        sys.stdout.write(f"{it.collection:<{width}} {counts}  {it.source.digest[:16]}  {verdict}\n")
    if not all(comparison.equal for comparison in compared):
        sys.stderr.write(
            "What was read back differs, so no server will open the database. Drop it and "
            "migrate again; the SQLite file is unchanged.\n"
        )
        return 1
    sys.stdout.write(
        f"All is equal. Set InterviewApp.store_url to {redacted(target)} (with its user, password "
        "and options), and start the server. The SQLite file stays as it was.\n"
    )
    return 0


def _tell(what: str, done: int, of: int) -> None:
    """Show how far it is: on one line of a terminal, elsewhere at every tenth."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {of} interviews {what}\033[K")
    elif done == of or done % max(1, of // 10) == 0:
        sys.stderr.write(f"{done} of {of} interviews {what}\n")
    sys.stderr.flush()


def _finish_line() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\n")
