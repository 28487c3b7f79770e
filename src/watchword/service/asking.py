"""Asks a running daemon, from another process.

In here: one question at the control socket, and what its answer means.
Not in here: answering (control), what can be asked (answers, changes).
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from watchword.edges.socket_paths import reached
from watchword.errors import HostError, OperatorError

NAME = "control.sock"
"""In the run directory."""
VERSION = 1
PATIENCE = 30.0  # seconds for an answer; the daemon itself gives up before
LARGEST = 1 << 20  # bytes of an answer


class NobodyAnswersError(HostError):
    """There is no daemon at that socket."""


def ask(path: Path, what: str, **more: object) -> dict[str, Any]:
    """Put a question to the running daemon.

    Raises NobodyAnswersError: there is none. Raises HostError, OperatorError:
    it may not, cannot or will not answer; with its remedy.
    """
    return _exchange(path, {"ask": what, **more})


def change(path: Path, what: str, **more: object) -> dict[str, Any]:
    """Have the running daemon change something. Raises as ``ask`` does."""
    return _exchange(path, {"do": what, **more})


def answers(path: Path, seconds: float) -> bool:
    """Whether a daemon answers there in time. True for who may not ask, and so cannot tell."""
    try:
        _exchange(path, {"ask": "status"}, seconds)
    except NobodyAnswersError:
        return False
    except (HostError, OperatorError):  # words of another version are an answer, too
        pass
    return True


def _exchange(
    path: Path, question: dict[str, object], patience: float = PATIENCE
) -> dict[str, Any]:
    line = json.dumps({"version": VERSION, **question}).encode("ascii") + b"\n"
    try:
        answer = json.loads(_answer(path, line, patience))
    except PermissionError as error:
        raise HostError(
            f"you may not ask the daemon at {path}",
            hint="ask as root, or as one of the group that CONTROL_GROUP in fwknopd.conf names",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise NobodyAnswersError(
            f"no daemon answers at {path}",
            hint="is fwknopd running, and does this command read the same fwknopd.conf?",
        ) from error
    if not isinstance(answer, dict) or answer.get("version") != VERSION:
        raise HostError(
            f"the daemon at {path} answers in words of another version",
            hint="restart fwknopd, so that it and this command are of one version",
        )
    if "error" in answer:
        kind = OperatorError if answer.get("whose") == "operator" else HostError
        raise kind(str(answer["error"]), hint=str(answer.get("hint") or "see the log of fwknopd"))
    return answer


def _answer(path: Path, line: bytes, patience: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(patience)
        with reached(path) as name:
            sock.connect(name)
        sock.sendall(line)
        with sock.makefile("rb") as stream:
            return stream.readline(LARGEST + 1)
