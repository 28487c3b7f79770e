"""Broken configuration files: a complaint with file, line and remedy, and never a traceback."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.daemon import stanza
from tests.fwknopd_files import STANZA, complaints
from watchword.dialects.fwknop.access_conf_table import INCLUDES, KNOWN, RESTRICTIONS
from watchword.dialects.fwknop.fwknopd_conf_table import ALIASES, VARIABLES, Kind
from watchword.errors import Complaint
from watchword.service.daemon import server

AT_ONCE = 90  # lines: beyond a hundred that make no sense the rest is not looked at
CONFIG_NAMES = sorted({*VARIABLES, *ALIASES})
ACCESS_NAMES = sorted(KNOWN - INCLUDES)
NUMBERS = [each for each in VARIABLES.values() if each.kind is Kind.NUMBER]
CONFIG_LINE = 2
"""Where what is added to fwknopd.conf begins (tests.fwknopd_files)."""
ACCESS_LINE = 6


def misspelt(names: Sequence[str]) -> list[tuple[str, str]]:
    """(wrong, right) with one letter dropped: the first, the last, one in the middle."""
    known = set(names)
    return [
        (wrong, name)
        for name in names
        for at in sorted({0, len(name) // 2, len(name) - 1})
        if (wrong := name[:at] + name[at + 1 :]) not in known
    ]


def portions(pairs: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    for start in range(0, len(pairs), AT_ONCE):
        yield pairs[start : start + AT_ONCE]


def by_line(told: Sequence[Complaint], file: str) -> dict[int, list[Complaint]]:
    found: dict[int, list[Complaint]] = {}
    for each in told:
        if each.place is not None and each.place.file == file:
            found.setdefault(each.place.line, []).append(each)
    return found


def test_every_misspelt_variable_of_fwknopd_conf_is_told_with_what_was_meant() -> None:
    pairs = misspelt(CONFIG_NAMES)
    assert len(pairs) > 400
    for portion in portions(pairs):
        told = complaints("".join(f"{wrong} 1\n" for wrong, _ in portion))
        found = by_line(told, "fwknopd.conf")
        for line, (wrong, right) in enumerate(portion, CONFIG_LINE):
            [complaint] = found[line]
            assert f"'{wrong}'" in complaint.message
            assert complaint.hint.startswith("did you mean "), (wrong, right)


def test_every_misspelt_parameter_of_access_conf_is_told_and_a_restriction_is_fatal() -> None:
    pairs = misspelt(ACCESS_NAMES)
    assert len(pairs) > 150
    for portion in portions(pairs):
        lines = "".join(f"{wrong} x\n" for wrong, _ in portion)
        found = by_line(complaints("", STANZA + lines), "access.conf")
        for line, (wrong, right) in enumerate(portion, ACCESS_LINE):
            [complaint] = found[line]
            assert f"'{wrong}'" in complaint.message
            assert complaint.hint.startswith("did you mean "), (wrong, right)
            assert complaint.fatal or right not in RESTRICTIONS, (wrong, right)


def told_of(name: str, value: object) -> list[Complaint]:
    """What is said about one line that was added to fwknopd.conf."""
    return by_line(complaints(f"{name} {value}\n"), "fwknopd.conf").get(CONFIG_LINE, [])


@pytest.mark.parametrize("variable", NUMBERS, ids=lambda each: each.name)
def test_every_number_of_fwknopd_conf_has_its_limits_on_both_sides(variable: object) -> None:
    assert isinstance(variable, type(NUMBERS[0]))
    for value in (variable.low - 1, variable.high + 1, 10**30, -(10**30)):
        [complaint] = [each for each in told_of(variable.name, value) if each.fatal]
        assert f"not in the range {variable.low}-{variable.high}" in complaint.message
        assert complaint.hint.startswith(f"write {variable.name} and a number from")
    for value in (variable.low, variable.high):
        told = told_of(variable.name, value)
        assert not [each for each in told if "range" in each.message]


@pytest.mark.parametrize(
    "line",
    [
        "FW_ACCESS_TIMEOUT -1",
        "FW_ACCESS_TIMEOUT 8388609",
        "MAX_FW_TIMEOUT -1",
        "MAX_FW_TIMEOUT 8388609",
        "ACCESS_EXPIRE 13/01/2030",
        "ACCESS_EXPIRE 02/30/2030",
        "ACCESS_EXPIRE_EPOCH -1",
        "ACCESS_EXPIRE_EPOCH 9999999999999",
        "OPEN_PORTS tcp/65536",
        "OPEN_PORTS icmp/1",
        "RESTRICT_PORTS tcp/-1",
        "DESTINATION 256.1.1.1",
        "DESTINATION 10.0.0.0/33",
        "SOURCE 2001:db8::/129",
        "REQUIRE_SOURCE_ADDRESS maybe",
        "HMAC_DIGEST_TYPE sha1024",
        "ENCRYPTION_MODE rot13",
        "KEY_BASE64 !!!",
    ],
)
def test_every_value_of_a_stanza_out_of_its_range_is_fatal_with_line_and_remedy(line: str) -> None:
    told = by_line(complaints("", STANZA + line + "\n"), "access.conf")
    fatal = [each for each in told.get(ACCESS_LINE, []) if each.fatal]
    assert fatal
    assert all(each.hint for each in fatal)


def directory(path: Path) -> None:
    path.mkdir()


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def endless_link(path: Path) -> None:
    path.symlink_to(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def missing(path: Path) -> None:
    """Nothing is made."""


UNREADABLE = [directory, os.mkfifo, dangling_link, endless_link, device, missing]


def written(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.touch(mode=0o600)
        path.write_bytes(content)

    return write


NO_TEXT = {
    "binary": bytes(range(256)) * 64,
    "ten megabytes": b"# nothing\n" * (1 << 20),
    "one line of ten megabytes": b"A" * (10 << 20),
    "one of NUL": b"\0",
    "an archive": b"\x1f\x8b\x08\x00" + b"\xff\x00" * 5000,
    "UTF-16": "SOURCE ANY\n".encode("utf-16"),
    "nonsense": b"lorem ipsum dolor\n" * 5000,
}
BROKEN = [
    *(pytest.param(make, id=make.__name__) for make in UNREADABLE),
    *(pytest.param(written(content), id=name) for name, content in NO_TEXT.items()),
]


class Desk:
    """The files of a daemon, and what it says of them before it starts."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config, self.access = folder / "fwknopd.conf", folder / "access.conf"
        self._capsys = capsys
        written(b"ENABLE_UDP_SERVER Y\n")(self.config)
        written(stanza().encode("ascii"))(self.access)

    def check(self) -> tuple[int, str]:
        """Exit status, and what was said on standard error."""
        files = ["-c", str(self.config), "-a", str(self.access)]
        status = server.run([*files, "--exit-parse-config"])
        return status, self._capsys.readouterr().err


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def assert_refused(desk: Desk, file: Path) -> None:
    status, said = desk.check()
    assert status == 1
    found = re.search(r"^fwknopd: error: ((?:.*\n)+?)fwknopd: hint: ", said, re.MULTILINE)
    assert found is not None, said[:2000]
    assert str(file) in found[1]
    assert "Traceback" not in said
    assert said.count("\n") < 450
    assert len(said) < 100_000


@pytest.mark.parametrize("make", BROKEN)
def test_an_access_conf_that_is_none_is_refused_with_status_one(
    desk: Desk, make: Callable[[Path], None]
) -> None:
    desk.access.unlink()
    make(desk.access)
    assert_refused(desk, desk.access)


@pytest.mark.parametrize("make", BROKEN)
def test_an_fwknopd_conf_that_is_none_is_refused_with_status_one(
    desk: Desk, make: Callable[[Path], None]
) -> None:
    desk.config.unlink()
    make(desk.config)
    assert_refused(desk, desk.config)


@pytest.mark.parametrize("directive", ["%include", "%include_folder"])
@pytest.mark.parametrize("make", [directory, os.mkfifo, dangling_link, missing])
def test_what_is_included_is_held_to_the_same(
    desk: Desk, directive: str, make: Callable[[Path], None]
) -> None:
    if (directive, make) == ("%include_folder", directory):
        return  # that is what it is for
    more = desk.access.with_name("more")
    make(more)
    desk.access.write_text(stanza() + f"{directive} {more}\n", "ascii")
    assert_refused(desk, desk.access)


def test_a_file_of_nothing_names_nobody_who_may_come_in(desk: Desk) -> None:
    for content in ("", "\n" * 1000, "# SOURCE ANY\n", "\ufeff"):
        desk.access.write_text(content, "utf-8")
        status, said = desk.check()
        assert (status, "Could not find valid SOURCE stanza" in said) == (1, True)


def test_an_empty_fwknopd_conf_is_all_defaults(desk: Desk) -> None:
    desk.config.write_text("", "ascii")
    status, said = desk.check()
    assert status == 0
    assert said.count("warning") == 1  # of the stanza, about REQUIRE_SOURCE_ADDRESS


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o600 | 0o040, 0o400])
def test_wrong_permissions_are_a_warning_and_no_more(desk: Desk, mode: int) -> None:
    for file in (desk.config, desk.access):
        file.chmod(mode)
        status, said = desk.check()
        assert status == 0
        warning = f"[-] file: {file} permissions should only be user read/write (0600, -rw-------)"
        assert f"fwknopd: warning: {warning}" in said
        file.chmod(0o600)


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("SOURCE ANY\n", 200_000),
        ("NONSENSE\n", 2 << 20),
        ("%include access.conf\n", (8 << 20) - 1000),
        ("OPEN_PORTS tcp/99999\n", (8 << 20) - 1000),
    ],
)
def test_megabytes_of_one_mistake_are_told_in_a_hundred_lines(
    desk: Desk, line: str, size: int
) -> None:
    desk.access.write_text(stanza() + line * (size // len(line)), "ascii")
    status, said = desk.check()
    assert said.count("\n") < 450
    assert "Traceback" not in said
    assert status == 1
