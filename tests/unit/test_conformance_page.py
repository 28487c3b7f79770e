"""The numbers in docs/conformance.md, and wherever else somebody is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchword.conformance import library, live
from watchword.conformance.golden import every_id, gpg_refused, load
from watchword.conformance.repertoire import NOT_SAYABLE, plan
from watchword.conformance.rounds import pack

TOP = Path(__file__).parents[2]


def text(name: str) -> str:
    return " ".join((TOP / name).read_text("utf-8").split())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("docs/conformance.md", "{} golden vectors"),
        ("docs/interoperability.md", "{} golden vectors"),
        ("packaging/man/watchword.8", "{} recorded packets"),
        ("CHANGELOG.md", "{} recorded packets"),
        ("src/watchword/service/tool/conformance.py", "{} recorded packets"),
    ],
)
def test_all_vectors_are_counted_alike(name: str, words: str) -> None:
    assert words.format(len(every_id())) in text(name)


def test_the_page_counts_those_for_gnupg() -> None:
    for_gpg = [name for name in every_id() if "gpg" in name]
    assert f"{len(for_gpg)} of them are for GnuPG" in text("docs/conformance.md")


def test_the_page_counts_the_demands_of_clients_and_library() -> None:
    lines = [each for each in (*load("gpg"), *gpg_refused()) if "argv" in each]
    single = (*load("client"), *load("client_errors"), *lines, *load("transport"), *live.CELLS)
    freshness, over_six = 3, 1
    page = text("docs/conformance.md")
    assert f"That makes {len(single) + freshness + over_six} demands. Without root" in page
    assert f"That makes {len(list(library.judge()))} demands. Without `gpg`" in page


def test_the_page_counts_what_a_server_is_tried_with() -> None:
    page = text("docs/conformance.md")
    for everything, words in ((False, "{} packets in {} rounds"), (True, "{} in {} rounds")):
        trials, unseen = plan(everything)
        packets = sum(len(trial.knocks) for trial in trials)
        assert words.format(packets, len(pack(trials))) in page
    whys = [each.why for each in unseen]
    assert f"{whys.count(NOT_SAYABLE)} packets whose keys no stanza can have" in page
    assert f"{sum('over TCP or ICMP' in why for why in whys)} that came over TCP or ICMP" in page
    assert f"{sum('nobody can call' in why for why in whys)} that nobody could call from" in page
