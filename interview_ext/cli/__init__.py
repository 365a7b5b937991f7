"""``jupyter interview …``: the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from interview_ext import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status. The console script ``jupyter-interview``."""
    options, rest = _parser().parse_known_args(argv)
    if options.command == "broker":
        from interview_ext.sandbox.broker_app import BrokerApp

        BrokerApp.launch_instance(argv=rest)
        return 0
    if rest:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    if options.command == "broker-token":
        from interview_ext.cli.broker_token import broker_token

        return broker_token(options.name, max_sandboxes=options.max_sandboxes, folder=options.dir)
    if options.command == "doctor":
        from interview_ext.cli.doctor import doctor

        return doctor(as_json=options.json)
    if options.command == "storage":
        from interview_ext.cli.storage import migrate

        return migrate(source=options.source, target=options.target)
    from interview_ext.cli.demo import Demo

    return Demo(
        folder=options.dir,
        port=options.port,
        open_browser=not options.no_browser,
        as_json=options.json,
    ).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jupyter interview", description="Live data-science interviews in JupyterLab."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("demo", help="start JupyterLab with a sample interview")
    demo.add_argument("--port", type=int, default=None, help="default: the first free from 8888")
    demo.add_argument("--no-browser", action="store_true", help="open no browser window")
    demo.add_argument("--json", action="store_true", help="print one JSON line when ready")
    demo.add_argument(
        "--dir", type=Path, default=None, help="where the demo keeps its notebooks and store"
    )

    check = commands.add_parser("doctor", help="check what an interview needs; say how to get it")
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")

    commands.add_parser(
        "broker",
        help="own the container engine and hand out sandboxes to interview servers",
        add_help=False,
    )

    token = commands.add_parser(
        "broker-token", help="make a token by which one interview server may use the broker"
    )
    token.add_argument("name", help="what the broker calls that server")
    token.add_argument(
        "--max-sandboxes", type=int, default=20, help="how many it may have at once (default: 20)"
    )
    token.add_argument(
        "--dir", type=Path, default=None, help="the broker's state_dir, if it is configured"
    )

    storage = commands.add_parser("storage", help="move interviews to another store")
    steps = storage.add_subparsers(dest="step", required=True)
    migrate = steps.add_parser(
        "migrate", help="copy the SQLite store into MongoDB and compare the two"
    )
    migrate.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        type=Path,
        default=None,
        help="the SQLite file (default: InterviewApp.store_path)",
    )
    migrate.add_argument(
        "--to",
        dest="target",
        metavar="URL",
        default=None,
        help="mongodb://…/database (default: InterviewApp.store_url)",
    )
    return parser
