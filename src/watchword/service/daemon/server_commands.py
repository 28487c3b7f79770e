"""The commands of fwknopd that need next to nothing: they look at a PID file, or print something.

In here: what each of them does and prints. A boot script or a monitor runs them all day, so what
only one of them works with is imported by that one.
Not in here: the commands that read all files (server_questions), which of them acts first
(server), option names (dialects.fwknop.server_options), locks and signals (process).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from watchword import __version__
from watchword.dialects.fwknop import server_options
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.server_places import Places
from watchword.errors import OperatorError
from watchword.service.daemon import own_files, process

PROGRAM = "fwknopd"
_ANSWER = 2.0  # seconds for a daemon to say that it is there


def _help(options: ServerOptions) -> int:
    print(server_options.usage(), end="")
    return 0


def _version(options: ServerOptions) -> int:
    print(f"fwknopd server {__version__}, compiled for firewall bin: nft")
    return 0


def _make_keys(options: ServerOptions) -> int:
    from watchword.dialects.fwknop import generated_keys
    from watchword.edges import files, randomness
    from watchword.model.crypto import Digest

    name = (options.hmac_digest_type or "sha256").upper()
    if name not in Digest.__members__:
        known = ",".join(each.name.lower() for each in Digest)
        raise OperatorError(f"* Invalid hmac digest type: {name}, use {{{known}}}")
    sizes = generated_keys.lengths(Digest[name], options.key_len, options.hmac_key_len)
    text = generated_keys.shown(*map(randomness.key_bytes, sizes))
    if not options.key_gen_file:
        print(text, end="")
        return 0
    files.replace_private(Path(options.key_gen_file), text.encode("ascii"))
    print(f"[+] Wrote Rijndael and HMAC keys to: {options.key_gen_file}")
    return 0


def _status(options: ServerOptions) -> int:
    places = own_files.places(options)
    pid = process.server_of(places.pid_file, PROGRAM, unseen=True)
    if pid is None:
        print("No running fwknopd detected.")
        return 1
    print(f"Detected fwknopd is running (pid={pid}).")
    _complain_of_silence(places)
    if options.verbose:
        from watchword.service.daemon import server_questions

        print(server_questions.summary(options), end="")
    return 0


def _complain_of_silence(places: Places) -> None:
    from watchword.service import asking

    path = places.run_dir / asking.NAME
    if not asking.answers(path, _ANSWER):
        print(
            f"{PROGRAM}: warning: it holds its PID file, and does not answer at "
            f"{path}: it is busy, has just begun, or hangs",
            file=sys.stderr,
        )


def _kill(options: ServerOptions) -> int:
    places = own_files.places(options)
    ended = process.stop(places.pid_file)
    if ended is None:
        print("No running fwknopd detected.", file=sys.stderr)
        return 1
    print(f"Killed fwknopd (pid={ended[0]}) via {ended[1]}")
    return 0


def _restart(options: ServerOptions) -> int:
    places = own_files.places(options)
    pid = process.reload(places.pid_file)
    if pid is None:
        print("No running fwknopd detected.")
        return 1
    print(f"Sent restart signal to fwknopd (pid={pid})")
    return 0


def _error_codes(options: ServerOptions) -> int:
    from watchword.dialects.fwknop import dump

    print(dump.error_codes(), end="")
    return 0


Action: TypeAlias = tuple[Callable[[ServerOptions], object], Callable[[ServerOptions], int]]
"""Whether it is asked for, and doing it; what comes back is the exit status."""
ACTIONS: tuple[Action, ...] = (
    (lambda options: options.help, _help),
    (lambda options: options.version, _version),
    (lambda options: options.dump_serv_err_codes, _error_codes),
    (lambda options: options.key_gen or options.key_gen_file, _make_keys),
    (lambda options: options.kill, _kill),
    (lambda options: options.status, _status),
    (lambda options: options.restart, _restart),
)
"""In the order in which they act, before ``QUESTIONS``."""
QUESTIONS = (
    "fw_list", "fw_list_all", "fw_del_ip", "fw_flush", "fw_withdraw",
    "dump_config", "exit_parse_config", "exit_parse_digest_cache",
    "export_digest_cache", "os",
)  # fmt: skip
"""Options that ``server_questions`` answers, in the order in which they act."""
