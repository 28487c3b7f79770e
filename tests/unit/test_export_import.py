"""watchword export and import, with independent readers of QR codes."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import segno
import zxingcpp
from PIL import Image

from tests.unit import client_scene
from tests.unit.client_scene import mode_of
from tests.unit.test_stanza_uri import KEY, MAC_KEY, STANZA, URI
from watchword.edges import qr
from watchword.service.tool import qr_drawing
from watchword.service.tool.command import run

home = client_scene.home
WARNING = (
    "watchword: warning: this holds the keys of stanza 'gateway': whoever sees it can knock with "
    "them\n"
)
KEYS_ONLY = f"KEY_BASE64:{KEY} HMAC_KEY_BASE64:{MAC_KEY}"


@pytest.fixture
def rc_file(home: Path) -> Path:
    path = home / ".fwknoprc"
    path.write_text(f"# mine\n[default]\n\n{STANZA}", "utf-8")
    return path


def drawn(picture: str) -> str:
    """What a reader of QR codes sees in characters: each half block as a square of pixels."""
    upper, lower = "▀█", "▄█"
    rows: list[list[bool]] = []
    for line in picture.splitlines():
        rows += [[each not in upper for each in line], [each not in lower for each in line]]
    return pixels(rows)


def pixels(rows: list[list[bool]]) -> str:
    scale = 4
    octets = b"".join(
        b"".join((b"\0" if dark else b"\xff") * scale for dark in row) * scale for row in rows
    )
    shape = (len(rows) * scale, len(rows[0]) * scale)
    [found] = zxingcpp.read_barcodes(memoryview(octets).cast("B", shape))
    return found.text


class Said(NamedTuple):
    status: int
    output: str
    errors: str


# Export.


@pytest.mark.usefixtures("rc_file")
def test_a_uri_is_printed_where_it_is_asked_for_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["export", "gateway", "--uri"]) == 0
    assert capsys.readouterr() == (f"{URI}\n", WARNING)


@pytest.mark.usefixtures("rc_file")
def test_what_is_no_terminal_gets_keys_only_where_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["export", "gateway"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "standard output is no terminal, and what is printed holds keys" in told.err


@pytest.mark.usefixtures("rc_file")
def test_a_qr_code_of_characters_is_read_by_somebody_elses_reader(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["export", "gateway", "--qr"]) == 0
    told = capsys.readouterr()
    assert drawn(told.out) == URI
    assert "\033" not in told.out
    assert told.err == WARNING


@pytest.mark.usefixtures("rc_file")
def test_the_android_clients_code_holds_its_keys_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["export", "gateway", "--android", "--qr"]) == 0
    told = capsys.readouterr()
    assert drawn(told.out) == KEYS_ONLY
    assert "the rest has to be typed in there: SPA_SERVER gateway.example.org" in told.err


@pytest.mark.usefixtures("rc_file")
def test_a_png_is_private_and_is_read_by_two_other_readers(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = home / "code.png"
    before = os.umask(0)
    try:
        assert run(["export", "gateway", "--png", str(picture)]) == 0
    finally:
        os.umask(before)
    assert capsys.readouterr() == (f"[+] Wrote the QR code to: {picture}\n", WARNING)
    assert mode_of(picture) == 0o600
    [found] = zxingcpp.read_barcodes(Image.open(picture).convert("L"))
    assert found.text == URI
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg is not installed; zxing-cpp has read the picture")
    argv = ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(picture)]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{URI}\n"


@pytest.mark.usefixtures("rc_file")
def test_a_file_that_is_there_is_not_overwritten(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "mine").write_text("mine", "utf-8")
    assert run(["export", "gateway", "--png", str(home / "mine")]) == 2
    assert (home / "mine").read_text("utf-8") == "mine"
    assert "exists already" in capsys.readouterr().err


@pytest.mark.usefixtures("rc_file")
def test_without_keys_nobody_can_knock_and_nobody_is_warned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["export", "gateway", "--uri", "--without-keys"]) == 0
    told = capsys.readouterr()
    assert "key" not in told.out
    assert "spa-server=gateway.example.org" in told.out
    assert told.err == ""
    assert run(["export", "gateway", "--uri", "--android", "--without-keys"]) == 2


def test_what_stands_in_default_and_in_key_files_goes_along(
    rc_file: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "keys").write_text("h: the key in the file\n", "utf-8")
    (home / "keys").chmod(0o600)
    rc_file.write_text(
        "[default]\nSPA_SERVER_PORT 7\n"
        f"[x]\nSPA_SERVER h\nACCESS tcp/22\nALLOW_IP source\nKEY_FILE {home / 'keys'}\n",
        "utf-8",
    )
    assert run(["export", "x", "--uri"]) == 0
    assert capsys.readouterr().out == (
        "watchword:v1?stanza=x&spa-server=h&spa-server-port=7&access=tcp/22&allow-ip=source"
        "&key-base64=dGhlIGtleSBpbiB0aGUgZmlsZQ%3D%3D\n"
    )


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["gatewax", "--uri"], "Named configuration stanza: [gatewax] was not found."),
        (["gateway", "--uri", "--rc-file", "/no/such/file"], "there is no rc file /no/such/file"),
    ],
)
@pytest.mark.usefixtures("rc_file")
def test_a_stanza_that_is_not_there_is_an_error(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", *argv]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err


@pytest.mark.usefixtures("rc_file")
def test_the_section_for_every_run_is_no_stanza_to_export(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["export", "Default", "--uri"]) == 2
    out, err = capsys.readouterr()
    assert (out, "[default] is no stanza of its own" in err) == ("", True)


def test_a_code_can_be_drawn_with_plain_letters_and_with_colours() -> None:
    modules = qr.modules("watchword:v1?stanza=x")
    letters = qr_drawing.in_letters(modules)
    assert letters.isascii()
    rows = [[line[at] == "#" for at in range(0, len(line), 2)] for line in letters.splitlines()]
    assert pixels(rows) == "watchword:v1?stanza=x"
    plain = qr_drawing.in_half_blocks(modules, colour=False)
    coloured = qr_drawing.in_half_blocks(modules, colour=True)
    assert coloured.replace("\033[0;97;40m", "").replace("\033[0m", "") == plain


def on_a_terminal(home: Path, columns: int, *options: str, encoding: str = "utf-8") -> Said:
    """The command with its output on a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "HOME": str(home), "PYTHONIOENCODING": encoding}
    environment.pop("COLUMNS", None)
    argv = [sys.executable, "-m", "watchword.programs.watchword", "export", "gateway", *options]
    with subprocess.Popen(
        argv, env=environment, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE
    ) as process:
        os.close(slave)
        heard = b""
        with suppress(OSError):  # EIO: the last writer has closed
            while piece := os.read(master, 65536):
                heard += piece
        os.close(master)
        assert process.stderr is not None
        return Said(process.wait(), heard.decode(), process.stderr.read().decode())


@pytest.mark.usefixtures("rc_file")
def test_on_a_terminal_a_code_is_drawn_white_on_black(home: Path) -> None:
    told = on_a_terminal(home, 100)
    assert (told.status, told.errors) == (0, WARNING)
    lines = told.output.splitlines()
    assert all(line.startswith("\033[0;97;40m") and line.endswith("\033[0m") for line in lines)
    assert drawn("\n".join(line[10:-4] for line in lines)) == URI


@pytest.mark.usefixtures("rc_file")
def test_a_code_that_would_be_broken_over_lines_is_not_drawn(home: Path) -> None:
    told = on_a_terminal(home, 40)
    assert (told.status, told.output) == (2, "")
    assert "columns wide, and the terminal has 40\n" in told.errors
    assert "--png FILE" in told.errors


@pytest.mark.usefixtures("rc_file")
def test_a_terminal_without_half_blocks_gets_letters(home: Path) -> None:
    told = on_a_terminal(home, 200, "--without-keys", encoding="ascii")
    assert told.status == 0
    rows = [[line[at] == "#" for at in range(0, len(line), 2)] for line in told.output.splitlines()]
    assert "spa-server=gateway.example.org" in pixels(rows)


# Import.


def test_a_uri_becomes_a_stanza_and_the_rest_of_the_file_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / ".fwknoprc"
    path.write_text("# mine\n[default]\n[other]\nACCESS tcp/1\n", "utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{URI}\n".encode())))
    assert run(["import", "-"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith(f"[+] Wrote stanza 'gateway' to: {path}\n    SPA_SERVER  ")
    assert KEY not in told.out
    written = path.read_text("utf-8")
    assert written.startswith("# mine\n[default]\n[other]\nACCESS tcp/1\n\n[gateway]\n")
    assert mode_of(path) == 0o600
    assert run(["export", "gateway", "--uri"]) == 0
    assert capsys.readouterr().out == f"{URI}\n"


def test_a_missing_rc_file_is_made_first(tmp_path: Path) -> None:
    path = tmp_path / "new"
    assert run(["import", URI, "--rc-file", str(path)]) == 0
    assert mode_of(path) == 0o600
    assert "\n[gateway]\n" in path.read_text("utf-8")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("text", [URI, KEYS_ONLY])
def test_keys_on_the_command_line_are_warned_about(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", text, "--name", "x"]) == 0
    assert "keys on a command line can be seen by other users" in capsys.readouterr().err


@pytest.mark.parametrize("reader", ["zxing-cpp", "zbarimg"])
def test_a_picture_becomes_a_stanza_by_either_reader(
    reader: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if reader == "zbarimg":
        if shutil.which("zbarimg") is None:
            pytest.skip("zbarimg is not installed")
        monkeypatch.setitem(sys.modules, "zxingcpp", None)
    segno.make(URI, micro=False).save(str(home / "code.png"), scale=6)
    assert run(["import", "--png", str(home / "code.png")]) == 0
    capsys.readouterr()
    assert run(["export", "gateway", "--uri"]) == 0
    assert capsys.readouterr().out == f"{URI}\n"


def test_keys_alone_need_a_name_and_go_into_its_stanza(
    rc_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rc_file.write_text("[default]\n[gateway]\nSPA_SERVER h\n", "utf-8")
    assert run(["import", KEYS_ONLY]) == 2
    assert "name it with --name" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run(["import", KEYS_ONLY, "--name", "Gateway"]) == 0
    written = rc_file.read_text("utf-8")
    assert written.startswith("[default]\n[gateway]\nSPA_SERVER h\nKEY_BASE64 ")
    assert KEY in written
    assert MAC_KEY in written


@pytest.mark.parametrize(
    ("answers", "changed", "kept"),
    [("", False, ""), ("n\n", False, ""), ("y\ny\ny\n", True, ""), ("y\nn\ny\n", True, KEY)],
)
def test_a_stanza_that_is_there_is_changed_after_asking_and_its_keys_after_asking_again(
    answers: str, changed: bool, kept: str, rc_file: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = rc_file.read_text("utf-8")
    other = URI.replace("GFsB", "AAAA").replace("dF4S", "AAAA").replace("gateway.example", "evil")
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    assert run(["import", other]) == (0 if changed else 1)
    after = rc_file.read_text("utf-8")
    told = capsys.readouterr()
    assert "Stanza 'gateway' is there already. Set SPA_SERVER, " in told.out
    assert (after != before) is changed
    assert ("evil.org" in after) is changed
    assert (KEY in after) is (not changed or bool(kept))
    if kept:
        assert "[-] KEY_BASE64 was not saved: stanza 'gateway' keeps what it has.\n" in told.err
        assert "    KEY_BASE64" not in told.out.partition("[+] Wrote")[2]


@pytest.mark.usefixtures("rc_file")
def test_nothing_from_elsewhere_goes_into_the_section_for_every_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["import", URI, "--name", "DEFAULT", "--force"]) == 2
    assert "has no name that a stanza can have" in capsys.readouterr().err


def test_with_force_nobody_is_asked_and_other_variables_stay(
    rc_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rc_file.write_text(f"{rc_file.read_text('utf-8')}VERBOSE 2\n", "utf-8")
    other = URI.replace("GFsB", "AAAA").replace("gateway.example", "other")
    assert run(["import", other, "--force"]) == 0
    after = rc_file.read_text("utf-8")
    assert "other.org" in after
    assert KEY not in after
    assert "VERBOSE 2" in after
    assert "[N/y]" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "this is no watchword URI"),
        (URI.replace("stanza=gateway&", ""), "has no name that a stanza can have"),
        (URI.replace("=gateway&", "=default&"), "has no name that a stanza can have"),
        (f"{URI}&wget-cmd=/bin/sh", "does not take from elsewhere"),
    ],
)
def test_what_cannot_be_imported_changes_nothing(
    text: str, said: str, rc_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rc_file.read_text("utf-8")
    assert run(["import", text, "--force"]) == 2
    assert said in capsys.readouterr().err
    assert rc_file.read_text("utf-8") == before


@pytest.mark.parametrize("octets", [b"x" * 20000, b"\xff\xfe"])
@pytest.mark.usefixtures("home")
def test_standard_input_that_is_no_line_of_text_is_refused(
    octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
    assert run(["import", "-"]) == 2


def blank_png(size: int) -> bytes:
    held = io.BytesIO()
    Image.new("1", (size, size), 1).save(held, "PNG")
    return held.getvalue()


@pytest.mark.parametrize("reader", ["zxing-cpp", "zbarimg"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GIF89a", "this is no PNG file"),
        (b"", "this is no PNG file"),
        (b"\x89PNG\r\n\x1a\nbroken", ""),
        (blank_png(40), "the picture has no QR code that can be read"),
    ],
    ids=["GIF", "empty", "broken", "blank"],
)
@pytest.mark.usefixtures("home")
def test_a_picture_without_a_code_is_refused(
    reader: str, content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if reader == "zbarimg":
        if shutil.which("zbarimg") is None:
            pytest.skip("zbarimg is not installed")
        monkeypatch.setitem(sys.modules, "zxingcpp", None)
    (tmp_path / "code.png").write_bytes(content)
    assert run(["import", "--png", str(tmp_path / "code.png")]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_a_picture_with_two_codes_or_too_many_pixels_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = Image.open(io.BytesIO(qr.png(URI))).convert("L")
    both = Image.new("L", (code.width * 2, code.height), 255)
    both.paste(code, (0, 0))
    both.paste(code, (code.width, 0))
    both.save(tmp_path / "both.png")
    assert run(["import", "--png", str(tmp_path / "both.png")]) == 2
    assert "the picture has 2 QR codes" in capsys.readouterr().err
    monkeypatch.setattr(qr, "MOST_PIXELS", 100)
    assert run(["import", "--png", str(tmp_path / "both.png")]) == 2
    assert "the picture has more than 100 pixels" in capsys.readouterr().err


@pytest.mark.usefixtures("rc_file")
def test_where_a_library_is_missing_the_remedy_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "code.png").write_bytes(qr.png(URI))
    for name in ("segno", "zxingcpp"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(qr, "which", lambda *_, **__: None)
    assert run(["export", "gateway", "--qr"]) == 1
    assert "making a QR code needs the library segno\nwatchword: hint: pip install " in (
        capsys.readouterr().err
    )
    assert run(["import", "--png", str(home / "code.png")]) == 1
    said = capsys.readouterr().err
    assert "nothing on this machine can read a QR code out of a picture" in said
    assert "pip install 'watchword[qr]', or install zbarimg (Debian: zbar-tools)" in said
    assert run(["export", "gateway", "--uri"]) == 0


def test_a_picture_that_is_far_too_large_is_not_asked_to_be_text(
    rc_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = rc_file.parent / "large.png"
    with large.open("wb") as file:
        file.truncate(5 << 20)
    assert run(["import", "--png", str(large)]) == 2
    assert capsys.readouterr().err == (
        f"watchword: error: {large}: is larger than 4194304 bytes\n"
        "watchword: hint: name a smaller file: is it the right one?\n"
    )
