"""The text file in which fwknopd remembers packets."""

from __future__ import annotations

import pytest

from tests.contract.replay import DIGEST, HEADER, LINE
from watchword.edges.replay import digest_cache
from watchword.model.requests import Sighting


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}{LINE}\n",
        f"{HEADER}{LINE}",  # the last line has no end
        f"{HEADER}{LINE}\n".replace("\n", "\r\n"),
        f"\n  \n{LINE}\n# a remark\n",
    ],
)
def test_a_good_line_is_read(text: str) -> None:
    [(packet, sighting)], complaints = digest_cache.read(text, "digest.cache")
    assert not complaints
    assert packet.hex().startswith("9a5c43bb945ef5b1")
    assert len(packet) == 32
    assert sighting == Sighting(17, "10.77.0.2", 46930, "10.77.0.1", 62201, 1795250997.0)


@pytest.mark.parametrize(
    "line",
    [
        DIGEST,
        LINE[:70],
        LINE + " more",
        LINE[1:],
        "A" + LINE,
        LINE.replace("o1g ", "o1h "),  # bits beyond the 256th
        LINE.replace("/", "_"),
        LINE.replace(" 17 ", " 256 "),
        LINE.replace(" 17 ", " -1 "),
        LINE.replace(" 46930 ", " 65536 "),
        LINE.replace(" 62201 ", " ６２２０１ "),
        LINE.replace("10.77.0.2", "10.77.0.256"),
        LINE.replace("10.77.0.1", "somewhere"),
        LINE.replace("1795250997", "9" * 5000),
        LINE.replace("1795250997", "never"),
        "\x00" * 90,
    ],
)
def test_a_bad_line_is_skipped_with_its_number(line: str) -> None:
    keys, [complaint] = digest_cache.read(f"{HEADER}{LINE}\n{line}\n{LINE}\n", "/run/d.cache")
    assert len(keys) == 2
    assert complaint.message == "*Skipping invalid digest file entry in /run/d.cache at line 3."
    assert complaint.place
    assert complaint.place.line == 3


def test_a_file_of_another_kind_does_not_fill_the_log() -> None:
    keys, complaints = digest_cache.read("nonsense\n" * 50_000, "f")
    assert not keys
    assert len(complaints) == digest_cache.MOST_COMPLAINTS + 1
    assert complaints[-1].message == "49900 more invalid entries skipped"


def test_an_unknown_destination_is_written_as_fwknopd_writes_it() -> None:
    unknown = Sighting(17, "192.0.2.7", 1, "", 62201, 5.9)
    lines = list(digest_cache.write([(bytes(32), unknown)]))
    assert lines == [HEADER, f"{'A' * 43} 17 192.0.2.7 1 0.0.0.0 62201 5\n"]

    [(_, sighting)], _ = digest_cache.read("".join(lines), "f")
    assert sighting == unknown._replace(at=5.0)


def test_addresses_that_fwknopd_would_stumble_over_are_written_as_unknown() -> None:
    six = Sighting(17, "2001:db8::7", 1, "2001:db8::1", 62201, 5.0)
    assert list(digest_cache.write([(bytes(32), six)]))[1] == (
        f"{'A' * 43} 17 0.0.0.0 1 0.0.0.0 62201 5\n"
    )
