"""The command watchword setup: the first files of a server, asked for or given.

In here: its options, the questions, and that nothing is written over.
Not in here: what is written (dialects.fwknop.first_files), what interfaces there are
(edges.capture.links).

Questions are asked on a terminal only, and each has an option that answers it; --yes takes what
is proposed. What is to be written is read as fwknopd would read it before any of it is.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Final

from watchword.errors import OperatorError
from watchword.service.tool import questions as tool_questions

if TYPE_CHECKING:
    from watchword.dialects.fwknop.first_files import Wishes

_SERVICES: Final = "tcp/22"
_PORT: Final = 62201
_UDP: Final = "udp"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "setup",
        help="write the first files of a server, with fresh keys",
        description="Ask where packets come in and what is hidden, make keys, and write "
        "fwknopd.conf, access.conf and the stanza for the first client. Files that are there "
        "are left alone. Each question has an option that answers it.",
    )
    parser.add_argument(
        "--list-interfaces", action="store_true", help="list the interfaces there are, and end"
    )
    parser.add_argument(
        "-i", "--interface", metavar="NAME",
        help=f"sniff packets there, without an open port; {_UDP}: they come to a UDP port",
    )  # fmt: skip
    parser.add_argument("-p", "--port", metavar="PORT", type=int, help=f"UDP port ({_PORT})")
    parser.add_argument(
        "--open", metavar="SERVICES", help=f"what callers may ask for, and is hidden ({_SERVICES})"
    )
    parser.add_argument(
        "--hide-all", action="store_true", help="hide everything else, too (GUARD_SERVICES ALL)"
    )
    parser.add_argument("--server", metavar="HOST", help="what clients call this host")
    parser.add_argument(
        "-n", "--name", metavar="NAME", help="name of the client's stanza (the HOST)"
    )
    parser.add_argument(
        "--client-file", metavar="FILE", help="where the client's stanza goes (NAME.fwknoprc)"
    )
    parser.add_argument("--require-address", action="store_true", help="REQUIRE_SOURCE_ADDRESS Y")
    parser.add_argument("-y", "--yes", action="store_true", help="ask nothing, take the proposals")
    tool_questions.add_files(parser)
    parser.set_defaults(answer=_setup)


def _setup(arguments: argparse.Namespace) -> int:
    from watchword.dialects.fwknop import first_files, generated_keys
    from watchword.edges import randomness
    from watchword.model.crypto import Digest

    if arguments.list_interfaces:
        print("\n".join(_told(name) for name in _interfaces()))
        return 0
    paths = _paths(arguments)
    ask = _Asking(quiet=arguments.yes or not sys.stdin.isatty())
    wishes = _wishes(arguments, ask)
    host = _host(arguments, ask)
    name = arguments.name or host
    for each in (host, name):
        if not _NAME.fullmatch(each):
            raise OperatorError(
                f"{each!r} is no name for a host or a stanza",
                hint="write letters, digits, dots, dashes and colons",
            )
    client = arguments.client_file or f"{name}.fwknoprc"
    _refuse_what_is_there(*paths, client)
    sizes = generated_keys.lengths(Digest.SHA256)
    key, mac_key = (randomness.key_bytes(each) for each in sizes)
    texts = {
        paths[0]: first_files.server_conf(wishes),
        paths[1]: first_files.access_conf(wishes, (key, mac_key)),
        client: first_files.client_stanza(name, host, wishes, (key, mac_key)),
    }
    _prove(texts, paths)
    for path, text in texts.items():
        _write(path, text)
    print(
        f"next: watchword check -c {paths[0]} -a {paths[1]}, then start fwknopd. Take {client} to "
        f"the client, add it to ~/.fwknoprc there, remove it here, and knock: fwknop -n {name}"
    )
    return 0


def _paths(arguments: argparse.Namespace) -> tuple[str, str]:
    """Of the server's files."""
    options = tool_questions.given(arguments)
    return options.config_file, options.access_file or "/etc/fwknop/access.conf"


class _Asking:
    """Questions on the terminal, or none."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, question: str, proposal: str) -> str:
        """The answer; the proposal where nothing is said, or nobody is asked."""
        if self._quiet:
            return proposal
        print(f"{question} [{proposal}] ", end="", flush=True)
        return sys.stdin.readline().strip() or proposal

    def show(self, text: str) -> None:
        """Something to choose from."""
        if not self._quiet:
            print(text)


def _wishes(arguments: argparse.Namespace, ask: _Asking) -> Wishes:
    from watchword.dialects.fwknop.access_conf_lists import UnfitError, service_list
    from watchword.dialects.fwknop.first_files import Wishes

    interface = arguments.interface or _interface(ask)
    if interface != _UDP and interface not in _interfaces():
        raise OperatorError(
            f"there is no interface {interface}",
            hint=f"there are: {', '.join(_interfaces())}; or {_UDP} for a UDP port",
        )
    text = arguments.open or ask("What is to be hidden, and open to callers?", _SERVICES)
    try:
        services = tuple(dict.fromkeys(service_list(text)))
    except UnfitError as unfit:
        raise OperatorError(unfit.message, hint=unfit.hint) from None
    port = _PORT if arguments.port is None else arguments.port
    if not services or not 1 <= port <= 65535:
        raise OperatorError(
            "name at least one port to open, and a port from 1 to 65535",
            hint="such as --open tcp/22 and --port 62201",
        )
    return Wishes(
        "" if interface == _UDP else interface,
        port,
        services,
        arguments.hide_all,
        name_required=arguments.require_address,
    )


def _interface(ask: _Asking) -> str:
    """The one that somebody chose, by its name or its number in the list."""
    there = _interfaces()
    proposal = next((each for each in there if each != "lo"), _UDP)
    for number, name in enumerate(there, start=1):
        ask.show(f"{number:3}. {_told(name)}")
    ask.show(f"     {_UDP:<16}no interface: packets come to a UDP port, which is open")
    said = ask("Where do packets come in?", proposal)
    return there[int(said) - 1] if said.isdecimal() and 1 <= int(said) <= len(there) else said


def _interfaces() -> list[str]:
    from watchword.edges.capture import links

    return links.names()


def _told(name: str) -> str:
    """An interface with its addresses."""
    from watchword.edges.capture import addresses, links
    from watchword.errors import HostError

    try:
        found = addresses.addresses(links.index_of(name))
    except HostError:
        return name
    return f"{name:<16}{', '.join(map(_address, found)) or 'no address'}"


def _address(packed: bytes) -> str:
    from ipaddress import ip_address

    return str(ip_address(packed))


def _host(arguments: argparse.Namespace, ask: _Asking) -> str:
    import socket

    if arguments.server:
        return str(arguments.server)
    found = ask("What do clients call this host?", socket.getfqdn())
    if found.partition(".")[0] == "localhost":
        raise OperatorError(
            f"to its clients this host is not {found}",
            hint="say by which name or address they reach it: --server HOST",
        )
    return found


def _refuse_what_is_there(*paths: str) -> None:
    from pathlib import Path

    there = [each for each in paths if Path(each).exists()]
    if there:
        raise OperatorError(
            f"{there[0]} is there already, and nothing is written over",
            hint="move it away, or name other files: -c, -a, --client-file",
        )


def _prove(texts: dict[str, str], paths: tuple[str, str]) -> None:
    """Raises OperatorError: fwknopd would not take these."""
    from watchword.dialects.fwknop import server_files, server_options, translate

    options = server_options.parse(["-c", paths[0], "-a", paths[1]])
    translate.load(server_files.Sources.of(texts), options)


def _write(path: str, text: str) -> None:
    from pathlib import Path

    from watchword.edges import files

    if not files.create_private(Path(path), text.encode("utf-8")):
        raise OperatorError(f"{path} is there already, and nothing is written over")
    print(f"wrote {path}")
