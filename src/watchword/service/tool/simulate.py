"""The command watchword simulate: a building whose people share one address, mode by mode.

In here: its command line, progress, what is printed and written.
Not in here: the play (simulation), which is imported when it is asked for.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchword.edges import streams
from watchword.errors import OperatorError
from watchword.service.tool import knock_options

if TYPE_CHECKING:
    from watchword.simulation.cast import Play
    from watchword.simulation.figures import Result
    from watchword.simulation.modes import Mode
    from watchword.simulation.stage import Stage

LONGEST: Final = 24 * 60
MOST: Final = 1000
_OFTEN: Final = 0.5  # seconds
_CLEAR_LINE: Final = "\r\033[K"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "simulate",
        help="play a building whose people share one address, and see who gets in",
        description="Play a building in network namespaces: people with keys and neighbours "
        "without, all behind one address, against a real fwknopd and the kernel's firewall, mode "
        "by mode, and print how many of the wrong ones got in and of the right ones did not. "
        "It takes as long as it plays, all modes at once. Needs root. The host's own firewall is "
        "not touched.",
    )
    parser.add_argument("modes", nargs="*", metavar="MODE", help="all of them unless given")
    parser.add_argument("--list", action="store_true", help="list the modes, play nothing")
    _number(parser, "--owners", 200, MOST, "people with keys")
    _number(parser, "--neighbours", 20, MOST, "people without, who try all the time")
    _number(parser, "--minutes", 5, LONGEST, "how long it is played")
    _number(parser, "--visits", 4, 3600, "how often an hour each owner connects")
    _number(parser, "--seed", 1, 1 << 31, "another one is another play")
    parser.add_argument("-6", "--ipv6", dest="six", action="store_true", help="over IPv6")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="write a picture (SVG), too")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.set_defaults(answer=_simulate)


def _number(parser: argparse.ArgumentParser, name: str, usual: int, most: int, text: str) -> None:
    parser.add_argument(
        name, metavar="N", type=knock_options.whole(most), default=usual, help=f"{text} ({usual})"
    )


def _simulate(arguments: argparse.Namespace) -> int:
    from watchword.simulation.cast import Play
    from watchword.simulation.modes import MODES

    if arguments.list:
        print("\n".join(f"{each.name:<12} {each.title}" for each in MODES))
        return 0
    modes = _chosen(arguments.modes, MODES)
    play = Play(
        owners=arguments.owners,
        neighbours=arguments.neighbours,
        minutes=arguments.minutes,
        visits=arguments.visits,
        seed=arguments.seed,
        six=arguments.six,
        patience=min(60.0, arguments.minutes * 15.0),
    )
    results = _played(play, modes)
    _tell(results, play, arguments)
    return 0


def _chosen(names: Sequence[str], modes: Sequence[Mode]) -> list[Mode]:
    known = {each.name: each for each in modes}
    if strange := [each for each in names if each not in known]:
        raise OperatorError(
            f"there is no mode '{strange[0]}'", hint=f"name some of: {', '.join(known)}"
        )
    return [known[each] for each in dict.fromkeys(names)] or list(modes)


def _played(play: Play, modes: Sequence[Mode]) -> list[Result]:
    """All modes at once, each in a building of its own, and none of it left. Raises HostError."""
    from watchword.simulation.stage import Stage

    with (
        tempfile.TemporaryDirectory(prefix="watchword-") as name,
        ThreadPoolExecutor(len(modes)) as pool,
    ):
        folders = [Path(name, each.name) for each in modes]
        for folder in folders:
            folder.mkdir(mode=0o700)
        stages = [Stage(play, *each) for each in zip(modes, folders, strict=True)]
        futures = [pool.submit(each.run) for each in stages]
        with _nothing_left(stages, futures):
            return _results(futures, play)


@contextmanager
def _nothing_left(stages: Sequence[Stage], futures: Sequence[Future[Result]]) -> Iterator[None]:
    """However it ends, all are over then. Requests to end are heard once, as Ctrl-C is."""
    ends = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    heard = {each: old for each, old in ends.items() if old is not signal.SIG_IGN}  # nohup
    for each in heard:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        while wait(futures, _OFTEN).not_done:
            for stage in stages:
                stage.stop()
        for each, old in heard.items():
            signal.signal(each, old)


def _results(futures: Sequence[Future[Result]], play: Play) -> list[Result]:
    """Say on a terminal how far it is. Raises HostError as soon as one of them cannot be played."""
    begun = time.monotonic()
    shown = streams.moves(sys.stderr)
    try:
        while (found := wait(futures, _OFTEN, FIRST_EXCEPTION)).not_done:
            for each in found.done:
                each.result()
            if shown:
                played = min(play.seconds, time.monotonic() - begun)
                sys.stderr.write(f"{_CLEAR_LINE}played {played:.0f} of {play.seconds:.0f} seconds ")
                sys.stderr.flush()
    finally:
        if shown:
            sys.stderr.write(_CLEAR_LINE)
    return [each.result() for each in futures]


def _tell(results: Sequence[Result], play: Play, arguments: argparse.Namespace) -> None:
    from watchword.simulation.figures import picture, table

    title = (
        f"{play.owners} people with keys and {play.neighbours} without behind one address, "
        f"{play.minutes:g} minutes"
    )
    if arguments.json:
        played = {"play": asdict(play), "modes": [asdict(each) for each in results]}
        print(json.dumps(played, indent=2))
    else:
        print("\n".join((title, "", *table(results))))
        for each in results:
            for line in each.shut_out[:5]:
                print(f"shut out ({each.mode}): {line}", file=sys.stderr)
    if arguments.plot is not None:  # last: should it fail, an hour's play was not for nothing
        try:
            arguments.plot.write_text(picture(results, title), "utf-8")
        except OSError as error:
            raise OperatorError(f"{arguments.plot}: {error.strerror}") from error
