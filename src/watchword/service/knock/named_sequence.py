"""Sequences by name: from ~/.knockrc to the hits of one run.

In here: finding and reading the files, using up a one-time sequence, the sequence of
this very moment.
Not in here: what stands in them (dialects.knockd), sending (client).
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from watchword.dialects.knockd import client_file, one_time
from watchword.dialects.knockd.client_options import ClientOptions, Hit
from watchword.edges import file_rights, files
from watchword.edges.one_time import LIMIT, mark
from watchword.errors import OperatorError, Place
from watchword.model.doors import Rotation
from watchword.record import replace
from watchword.wire import rotating


def filled(options: ClientOptions, home: str) -> ClientOptions:
    """The options with host and hits of the sequence that they name.

    A one-time sequence is marked as used before any of it is sent. Raises
    OperatorError, HostError.
    """
    name = options.named or ""
    path = options.file or str(Path(home) / client_file.FILE)
    file_rights.refuse_foreign_hands(path)
    found = client_file.named(files.read_text(path), path, name)
    host = options.host or found.host
    if not host:
        raise OperatorError(
            f"[{name}] names no host", place=Place(path, 0), hint="add host =, or type the host"
        )
    hits = found.hits
    if found.one_time is not None:
        hits = _next_of(str(Path(found.one_time).expanduser()))
    if found.rotation is not None:
        hits = _of_now(found.rotation)
    return replace(
        options,
        host=host,
        hits=hits,
        delay=options.delay if options.delay is not None else found.delay,
        family=options.family or found.family,
    )


def _next_of(path: str) -> tuple[Hit, ...]:
    sequence = one_time.next_sequence(files.read_bytes(path, LIMIT)).sequence
    if not sequence or not mark(path, partial(one_time.place_of_mark, used=sequence)):
        raise OperatorError(
            "every sequence is used up",
            place=Place(path, 0),
            hint="make a new sheet, for the door and for yourself",
        )
    return tuple(Hit(str(each.port), each.proto.value == "udp") for each in sequence)


def _of_now(rotation: Rotation) -> tuple[Hit, ...]:
    window = rotating.window_of(time.time(), rotation.every)
    sequence = rotating.sequence_of(rotation.secret, window, rotation.knocks)
    return tuple(Hit(str(each.port), udp=False) for each in sequence)
