"""Where a daemon of these files is found, and where it keeps things: by fwknopd.conf alone.

In here: the variables that say so, and their defaults. Whoever only looks for a running daemon
reads no more than this.
Not in here: everything else that the files say (translate).

Source: fwknopd server, sections 3 and 4.
"""

from __future__ import annotations

from pathlib import Path

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.server_values import read_values
from watchword.record import record


@record
class Places:
    run_dir: Path
    state_dir: Path
    pid_file: Path
    digest_file: Path
    """What fwknop keeps its own memory in."""


def places_of(values: Values) -> Places:
    run_dir = Path(values.text("FWKNOP_RUN_DIR"))
    return Places(
        run_dir=run_dir,
        state_dir=Path(values.text("STATE_DIR")),
        pid_file=Path(values.text("FWKNOP_PID_FILE") or run_dir / "fwknopd.pid"),
        digest_file=Path(values.text("DIGEST_FILE") or run_dir / "digest.cache"),
    )


def places(sources: Sources, options: ServerOptions) -> Places:
    """For the commands that speak to a running daemon.

    Passes over what is wrong with the files: a daemon has to be stopped and asked even then.
    """
    return places_of(read_values(sources, options, Complaints()))
