"""The client's own files: stanzas, permissions, the options of the last run."""

from __future__ import annotations

import base64
import io
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import client_scene
from tests.unit.client_scene import KEYS, KNOCK, mode_of, opened
from watchword.dialects.fwknop.rcfile_read import read
from watchword.dialects.fwknop.rcfile_write import INITIAL
from watchword.edges import files
from watchword.programs.fwknop import main

home = client_scene.home
server = client_scene.server
pytestmark = pytest.mark.usefixtures("home")

SEED = "-A tcp/1234 -a 192.168.21.128 -D 192.168.21.132 --key-gen --use-hmac --save-rc-stanza"


# Stanzas.


@pytest.mark.requirement("1.4", "2.5")
def test_the_tutorials_command_makes_keys_and_a_stanza_of_six_lines(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fwknoprc").unlink()
    assert main(SEED.split()) == 0

    rc = home / ".fwknoprc"
    shown = capsys.readouterr()
    assert shown.out == f"[+] Wrote Rijndael and HMAC keys to rc file: {rc}\n"
    assert shown.err == f"[*] Creating initial rc file: {rc}.\n"
    assert mode_of(rc) == 0o600
    head, _, stanza = rc.read_text("utf-8").partition("[192.168.21.132]\n")
    assert head == f"{INITIAL}\n"
    names = [line.split()[0] for line in stanza.splitlines()]
    assert names == [
        "ALLOW_IP",
        "ACCESS",
        "SPA_SERVER",
        "KEY_BASE64",
        "HMAC_KEY_BASE64",
        "USE_HMAC",
    ]
    assert {line.index(line.split()[1]) for line in stanza.splitlines()} == {28}


@pytest.mark.requirement("2.7")
def test_a_stanza_that_was_saved_is_enough_to_knock(
    server: socket.socket, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    port = server.getsockname()[1]
    made = ["-n", "Work", "-k", "--use-hmac", "--save-rc-stanza", *KNOCK]
    assert main([*made, "-D", "127.0.0.1", "-p", str(port)]) == 0
    assert main(["-n", "work"]) == 0

    [section] = read((home / ".fwknoprc").read_text("utf-8"), "rc", "work")
    assert section is not None
    keys = [
        base64.b64decode(each.text) for each in (section.given.key, section.given.mac_key) if each
    ]
    assert opened(server.recv(2000), *keys).text == "192.0.2.10,tcp/22"


def test_saving_without_making_keys_goes_on_to_knock(server: socket.socket, home: Path) -> None:
    target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
    assert main([*KNOCK, *KEYS, *target, "--save-rc-stanza", "-n", "x"]) == 0
    assert opened(server.recv(2000))
    assert "[x]\n" in (home / ".fwknoprc").read_text("utf-8")


@pytest.mark.parametrize(
    ("answers", "kept"),
    [("y\ny\n", set()), ("n\nn\n", {"OLD", "OLDER"}), ("", {"OLD", "OLDER"}), ("y\n", {"OLDER"})],
)
def test_keys_are_overwritten_only_when_told_so(
    answers: str,
    kept: set[str],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rc = home / ".fwknoprc"
    rc.write_text("[h]\n# mine\nKEY OLD\nHMAC_KEY OLDER\nFW_TIMEOUT 5\n", "utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))

    assert main(["-k", "-D", "h", "--save-rc-stanza"]) == 0

    shown = capsys.readouterr()
    assert "Variable 'KEY' found in stanza 'h'. Overwrite [N/y] ? " in shown.out
    assert ("Wrote Rijndael and HMAC keys" in shown.out) == (not kept)
    text = rc.read_text("utf-8")
    assert {word for word in ("OLD", "OLDER") if word in text.split()} == kept
    assert "# mine\n" in text
    assert "FW_TIMEOUT 5\n" in text


def test_force_asks_nothing_and_keeps_nothing(home: Path) -> None:
    rc = home / ".fwknoprc"
    rc.write_text("[h]\nKEY OLD\nFW_TIMEOUT 5\n[other]\nKEY OLD\n", "utf-8")
    assert main(["-k", "-D", "h", "--save-rc-stanza", "--force-stanza"]) == 0
    stanza, _, other = rc.read_text("utf-8").partition("[other]")
    assert "OLD" not in stanza
    assert "FW_TIMEOUT" not in stanza
    assert other == "\nKEY OLD\n"


@pytest.mark.requirement("9.5", partial=True)
def test_the_source_switch_is_saved(home: Path) -> None:
    assert main(["-k", "-D", "h", "-s", "--save-rc-stanza"]) == 0
    assert "ALLOW_IP                    source\n" in (home / ".fwknoprc").read_text("utf-8")


def test_stanzas_that_are_saved_at_once_are_all_there(home: Path) -> None:
    program = (
        "import sys\n"
        "from watchword.programs.fwknop import main\n"
        "for each in range(4):\n"
        "    name = f'host{sys.argv[1]}-{each}'\n"
        "    assert main(['-A', 'tcp/22', '-s', '-D', name, '-k', '--save-rc-stanza']) == 0\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number)],
            env={**os.environ, "HOME": str(home)}, stdout=subprocess.DEVNULL,
        )
        for number in range(3)
    ]  # fmt: skip
    assert [each.wait(60) for each in running] == [0, 0, 0]
    names = [f"host{number}-{each}" for number in range(3) for each in range(4)]
    sections = read((home / ".fwknoprc").read_text("utf-8"), "rc", *names)
    assert all(each is not None and each.given.key is not None for each in sections)


def test_an_rc_file_that_cannot_be_rewritten_is_an_error_and_stays(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_more: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    before = (home / ".fwknoprc").read_bytes()
    monkeypatch.setattr(files, "_write_new", full)
    assert main(["-k", "-D", "h", "--save-rc-stanza"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (home / ".fwknoprc").read_bytes() == before


@pytest.mark.parametrize("name", ["a]b", "a\nb", "a\x1bb"])
def test_a_stanza_of_an_impossible_name_is_refused(
    name: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-k", "-n", name, "--save-rc-stanza"]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert (home / ".fwknoprc").read_text("utf-8") == "[default]\n"


def test_stanzas_are_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rc = home / ".fwknoprc"
    rc.write_text("[default]\n[a]\n[ b c ] x\n[A]\n", "utf-8")
    assert main(["--stanza-list"]) == 0
    assert capsys.readouterr().out == (
        f"The following stanzas are configured in {rc} :\n - a\n -  b c \n - A\n"
    )
    rc.write_text("[\x1b[31mred]\n", "utf-8")
    assert main(["--stanza-list"]) == 0
    assert capsys.readouterr().out.endswith(" - \\x1b[31mred\n"), "it steers no terminal"
    rc.unlink()
    assert main(["--stanza-list"]) == 1
    first, hint = capsys.readouterr().err.splitlines()
    assert first == f"Unable to open rc file: {rc}: No such file or directory"
    assert hint == "fwknop: hint: name one with --rc-file, or make it with --save-rc-stanza"
    assert not rc.exists()


def test_the_carrier_is_saved_with_the_keys(home: Path) -> None:
    made = "-n spa.tor -A tcp/22 -a 1.1.1.1 -D 127.0.0.1 -P tcp --key-gen --use-hmac"
    assert main([*made.split(), "--save-rc-stanza"]) == 0
    assert "SPA_SERVER_PROTO            tcp\n" in (home / ".fwknoprc").read_text("utf-8")


# Files of the client.


def test_loose_permissions_of_the_rc_file_are_remarked_on(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fwknoprc").chmod(0o644)
    assert main(["-V"]) == 0
    assert capsys.readouterr().err == (
        f"[-] file: {home / '.fwknoprc'} permissions should only be "
        "user read/write (0600, -rw-------)\n"
    )


def test_an_rc_file_that_cannot_be_created_does_not_stop_the_run(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-V", "--rc-file", str(home / "no" / "rc")]) == 0
    shown = capsys.readouterr()
    assert shown.out == "fwknop client 0.1.0, FKO protocol version 3.0.0\n"
    assert shown.err.startswith("Unable to create initial rc file: ")


def test_mistakes_in_the_rc_file_end_the_run_with_their_lines(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rc = home / ".fwknoprc"
    rc.write_text("[default]\nFW_TIMEUOT 5\n", "utf-8")
    assert main(["-V"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"Parameter error in {rc}, line 2: var=FW_TIMEUOT, val=(not shown)",
        "fwknop: hint: did you mean FW_TIMEOUT?",
    ]


def test_two_v_tell_which_variables_are_read_and_no_value(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fwknoprc").write_text("[default]\n[x]\nKEY hidden\nACCESS tcp/1\n", "utf-8")
    assert main(["-V", "-vv", "-n", "x"]) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "process_rc_section() : Parsing section 'default' ...",
        "process_rc_section() : Parsing section 'x' ...",
        "parse_rc_param() : Parsing variable KEY...",
        "parse_rc_param() : Parsing variable ACCESS...",
    ]


# The options of the last run.


@pytest.mark.requirement("9.20", partial=True)
def test_the_last_run_can_be_shown_and_run_again(
    server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fwknoprc").write_text(
        "[default]\nKEY client-key-1\nHMAC_KEY client-hmac-1\n", "utf-8"
    )
    port = str(server.getsockname()[1])
    argv = ["-C", "echo 'a  b'", "-a", "192.0.2.10", "-D", "127.0.0.1", "-p", port]
    assert main(argv) == 0
    first = opened(server.recv(2000))
    kept = home / ".fwknop.run"
    content, written = kept.read_bytes(), kept.stat().st_ino
    assert mode_of(kept) == 0o600

    assert main(["--show-last"]) == 0
    assert capsys.readouterr().out == (
        f"Last fwknop client command line: {content.decode().removesuffix(chr(10))}\n\n"
    )
    assert main(["-l", "-v"]) == 0
    assert opened(server.recv(2000)).text == first.text == "192.0.2.10,echo 'a  b'"
    assert capsys.readouterr().out.startswith("Executing: fwknop -C ")
    assert (kept.read_bytes(), kept.stat().st_ino) == (content, written)


def test_keys_are_not_kept(home: Path) -> None:
    assert main([*KNOCK, *KEYS, "-T"]) == 0
    assert (home / ".fwknop.run").read_text("utf-8") == (
        "fwknop -A tcp/22 -a 192.0.2.10 --use-hmac -T \n"
    )


@pytest.mark.parametrize("how", ["option", "rc file"])
def test_keeping_the_options_can_be_switched_off(how: str, home: Path) -> None:
    if how == "rc file":
        (home / ".fwknoprc").write_text("[default]\nNO_SAVE_ARGS Y\n", "utf-8")
    more = ["--no-save-args"] if how == "option" else []
    assert main([*KNOCK, *KEYS, "-T", *more]) == 0
    assert not (home / ".fwknop.run").exists()


def test_options_can_be_kept_in_another_file_or_nowhere(home: Path) -> None:
    assert main([*KNOCK, *KEYS, "-T", "-E", str(home / "args")]) == 0
    assert (home / "args").exists()
    assert main([*KNOCK, *KEYS, "-T", "-E", "/dev/null"]) == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert not (home / ".fwknop.run").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "Could not read line from file: "), ("fwknop -l\n", "The options kept in ")],
)
def test_a_useless_kept_line_is_refused(
    content: str, said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fwknop.run").write_text(content, "utf-8")
    assert main(["-l"]) == 1
    assert said in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_crash() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "watchword.programs.fwknop", "--help"]
    done = subprocess.run(argv, check=False, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
