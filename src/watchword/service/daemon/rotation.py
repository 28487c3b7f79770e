"""Begins the memory of packets anew, when asked for (--rotate-digest-cache).

In here: what is written down for the operator first, and what may be given up then.
Not in here: the memory (edges.replay), when a packet is too old (grant.decide).

fwknopd forgets everything when it rotates, and takes every packet of before once more. Here only
what its own time stamp refuses by now is given up; without a limit of age that is nothing, and
the operator's word counts: all of it is. Source: fwknopd server, section 2.
"""

from __future__ import annotations

from typing import Final

from watchword.edges.replay import old_cache
from watchword.edges.replay.reading import export_digest_cache
from watchword.edges.replay.sqlite import SqliteReplayStore
from watchword.errors import HostError
from watchword.model.daemon_events import Rotated
from watchword.model.settings import Settings

MARGIN: Final = 24 * 3600.0  # seconds; a clock may be set back, as with everything remembered


async def rotate(
    settings: Settings, max_age: int | None, keys: SqliteReplayStore, wall: float
) -> Rotated:
    """Write all that is remembered to ``<digest file>-old``, and give up what may be.

    Args:
        max_age: seconds that a time stamp may lie in the past; None: any.
        wall: Unix seconds.

    Raises HostError: it could not be written, and nothing is given up.
    """
    old = settings.digest_file.with_name(f"{settings.digest_file.name}-old")
    written = old_cache.write(old, export_digest_cache(settings.state_dir))
    try:
        settings.digest_file.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(f"cannot remove {settings.digest_file}: {error.strerror}") from error
    # what arrived before then had a stamp that is refused by now, wherever in the window it lay
    before = None if max_age is None else wall - 2 * max_age - MARGIN
    return Rotated(str(old), written, await keys.give_up(before))
