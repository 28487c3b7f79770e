"""What the questions to a configuration of fwknopd have in common.

In here: their options, and the configuration that these name.
Not in here: the questions (tool_explain, tool_check, tool_status).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchword.dialects.fwknop.server_options import ServerOptions
    from watchword.dialects.fwknop.translate import Configuration


def options() -> argparse.ArgumentParser:
    """A parent for the parsers of questions."""
    shared = argparse.ArgumentParser(add_help=False)
    add_files(shared)
    shared.add_argument("--json", action="store_true", help="answer as JSON")
    return shared


def add_files(shared: argparse._ActionsContainer) -> None:
    """The files to go by."""
    shared.add_argument("-c", "--config-file", metavar="FILE", help="fwknopd.conf to go by")
    shared.add_argument("-a", "--access-file", metavar="FILE", help="access.conf to go by")


def live_options() -> argparse.ArgumentParser:
    """The same, for questions that the running daemon answers."""
    shared = argparse.ArgumentParser(add_help=False, parents=[options()])
    add_socket(shared)
    return shared


def add_socket(shared: argparse._ActionsContainer) -> None:
    """Where the daemon answers."""
    shared.add_argument(
        "--socket", metavar="FILE", help="the daemon's socket; else in FWKNOP_RUN_DIR"
    )


def socket_of(arguments: argparse.Namespace) -> Path:
    """Where the daemon answers. What is wrong with its files does not matter for that."""
    from watchword.service import asking
    from watchword.service.daemon import own_files

    if arguments.socket:
        return Path(arguments.socket)
    return own_files.places(given(arguments)).run_dir / asking.NAME


def given(arguments: argparse.Namespace) -> ServerOptions:
    """The files that the question names, as fwknopd would be told of them."""
    from watchword.dialects.fwknop import server_options

    argv: list[str] = []
    for option in ("config_file", "access_file"):
        if value := getattr(arguments, option):
            argv += [f"--{option.replace('_', '-')}", value]
    return server_options.parse(argv)


def configuration(arguments: argparse.Namespace) -> Configuration:
    """What these files say. Raises OperatorError."""
    from watchword.service.daemon import own_configuration

    return own_configuration.configured(given(arguments))


def complaints(found: Sequence[Any]) -> list[dict[str, object]]:
    """Complaints for JSON."""
    return [
        {
            "fatal": each.fatal,
            "file": each.place.file if each.place else None,
            "line": each.place.line if each.place else None,
            "message": each.message,
            "remedy": each.hint,
        }
        for each in found
    ]
