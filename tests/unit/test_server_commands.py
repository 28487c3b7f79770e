"""What fwknopd does besides serving, as far as it needs neither root nor a firewall."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.daemon import stanza
from watchword import __version__
from watchword.edges.replay.digest_cache import HEADER
from watchword.programs.fwknopd import main
from watchword.service import asking
from watchword.service.daemon import process, server_commands, server_questions

NOBODY = 2**22 + 1
"""The number of no process: above what the kernel gives."""


class Desk:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        here = f"STATE_DIR {folder}/state;\nFWKNOP_RUN_DIR {folder}/run;\n"
        self.write("fwknopd.conf", f"ENABLE_UDP_SERVER Y;\n{here}")
        self.write("access.conf", stanza(REQUIRE_SOURCE_ADDRESS="Y"))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")

    def run(self, *options: str) -> tuple[int, str, str]:
        files = ("-c", str(self.folder / "fwknopd.conf"), "-a", str(self.folder / "access.conf"))
        status = main([*files, *options])
        said = self._capsys.readouterr()
        return status, said.out, said.err


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_the_version_is_told_in_fwknopd_s_form(desk: Desk) -> None:
    version = f"fwknopd server {__version__}, compiled for firewall bin: nft\n"
    assert desk.run("-V") == (0, version, "")


def test_every_question_has_its_answer_and_every_answer_its_question() -> None:
    assert tuple(server_questions.ANSWERS) == server_commands.QUESTIONS


def test_a_configuration_without_mistakes_is_parsed_in_silence(desk: Desk) -> None:
    assert desk.run("--exit-parse-config") == (0, "", "Configs parsed, exiting.\n")


def test_a_file_that_others_may_read_is_remarked_on(desk: Desk) -> None:
    (desk.folder / "access.conf").chmod(0o644)
    status, _, said = desk.run("--exit-parse-config")
    assert status == 0
    assert "access.conf permissions should only be user read/write (0600, -rw-------)" in said


def test_all_mistakes_of_all_files_are_told_at_once_with_file_and_line(desk: Desk) -> None:
    desk.write("fwknopd.conf", "UDPSERV_PORT 0;\nMAX_SPA_PACKET_AGE 0;\n")
    desk.write("access.conf", stanza(OPEN_PORTS="icmp/8", FW_ACCESS_TIMEOUT="-1"))
    status, _, said = desk.run("--exit-parse-config")
    assert status == 1
    for place in ("fwknopd.conf:1:", "fwknopd.conf:2:", "access.conf:2:", "access.conf:5:"):
        assert place in said


@pytest.mark.parametrize("digest", ["sha256", "SHA3_512"])
def test_keys_are_made_and_shown_in_two_lines(desk: Desk, digest: str) -> None:
    status, shown, _ = desk.run("--key-gen", "--hmac-digest-type", digest)
    assert status == 0
    assert re.fullmatch(r"KEY_BASE64: \S{44}\nHMAC_KEY_BASE64: \S{88,96}\n", shown)
    assert desk.run("--key-gen")[1] != shown


def test_keys_go_to_a_file_that_only_its_owner_can_read(desk: Desk) -> None:
    path = desk.folder / "keys"
    status, shown, _ = desk.run("--key-gen-file", str(path))
    assert (status, shown) == (0, f"[+] Wrote Rijndael and HMAC keys to: {path}\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text("ascii").startswith("KEY_BASE64: ")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--key-gen", "--key-len", "33"), "33 bytes cannot be used"),
        (("--key-gen", "--hmac-key-len", "129"), "129 bytes cannot be used"),
        (("--key-gen", "--hmac-digest-type", "crc32"), "Invalid hmac digest type: CRC32"),
        (("-S", "-K"), "mutually exclusive"),
        (("--stat", "--nonsense"), "'--nonsense'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    desk: Desk, options: tuple[str, ...], complaint: str
) -> None:
    status, answer, said = desk.run(*options)
    assert (status, answer) == (1, "")
    assert complaint in said


def test_without_a_daemon_the_commands_that_speak_to_it_say_so(desk: Desk) -> None:
    nobody = "No running fwknopd detected.\n"
    assert desk.run("-S") == (1, nobody, "")
    assert desk.run("-R") == (1, nobody, "")
    assert desk.run("-K") == (1, "", nobody)
    assert not (desk.folder / "run").exists()


def test_a_daemon_that_holds_its_pid_file_and_does_not_answer_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "holder", lambda path: NOBODY)
    status, answer, said = desk.run("-S")
    assert (status, answer) == (0, f"Detected fwknopd is running (pid={NOBODY}).\n")
    assert "does not answer at" in said
    monkeypatch.setattr(asking, "answers", lambda path, seconds: True)
    assert desk.run("-S") == (0, f"Detected fwknopd is running (pid={NOBODY}).\n", "")


def test_a_lock_of_another_program_is_no_running_daemon(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "holder", lambda path: 1)
    for option in ("-S", "-R", "-K"):
        status, answer, said = desk.run(option)
        assert (status, answer) == (1, "")
        assert "process 1 holds" in said
        assert "and is no fwknopd" in said


@pytest.mark.parametrize(
    "command", ["-S", "-R", "-K", "--fw-list", "--fw-list-all", "--fw-flush", "-D"]
)
@pytest.mark.parametrize("option", ["-c", "-O"])
def test_a_file_of_settings_that_is_named_and_not_there_is_no_other_daemon_s(
    desk: Desk, option: str, command: str
) -> None:
    """A slip of the pen would end the daemon of the usual files, or take out its rules."""
    for name in ("gone", "."):
        status, answer, said = desk.run(option, str(desk.folder / name), command)
        assert (status, answer) == (1, "")
        assert f"[*] Config file: '{desk.folder / name}' was not found." in said


def test_of_a_missing_file_of_settings_nothing_follows(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-c", str(desk.folder / "gone"), "--exit-parse-config"]) == 1
    said = capsys.readouterr().err
    assert "was not found" in said
    assert "access.conf" not in said


def test_they_work_although_the_files_are_broken(desk: Desk) -> None:
    desk.write("access.conf", "nonsense\n")
    assert desk.run("-S")[0] == 1
    assert "No running fwknopd detected." in desk.run("-S")[1]


def test_the_memory_of_fwknopd_is_taken_over_and_what_is_wrong_in_it_is_told(desk: Desk) -> None:
    digest = "mlxDu5Re9bHOgqpi85fIsqyLxG9C4UMi/dc+SSS0o1g"
    cache = f"{digest} 17 10.77.0.2 46930 10.77.0.1 62201 1795250997\nrubbish\n"
    (desk.folder / "run").mkdir(mode=0o700)
    desk.write("run/digest.cache", cache)
    status, _, said = desk.run("--exit-parse-digest-cache")
    assert status == 0
    assert "digest.cache:2" in said
    assert said.endswith("Digest cache parsed, exiting.\n")


def test_the_settings_in_effect_are_dumped_without_keys(desk: Desk) -> None:
    status, shown, _ = desk.run("-D")
    assert status == 0
    assert "UDPSERV_PORT                 =  '62201'" in shown
    assert "<see the access.conf file>" in shown
    assert "YW4g" not in shown


def test_what_is_remembered_can_be_written_down_for_a_way_back_to_fwknopd(desk: Desk) -> None:
    line = (
        "mlxDu5Re9bHOgqpi85fIsqyLxG9C4UMi/dc+SSS0o1g 17 10.77.0.2 46930 10.77.0.1 62201 1795250997"
    )
    (desk.folder / "run").mkdir(mode=0o700)
    desk.write("run/digest.cache", f"{line}\n")
    assert desk.run("--exit-parse-digest-cache")[0] == 0
    path = desk.folder / "out"
    path.write_text("something older")
    status, said, _ = desk.run("--export-digest-cache", str(path))
    assert (status, said) == (0, f"Wrote 1 digests to {path}.\n")
    assert path.read_text() == f"{HEADER}{line}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    status, _, said = desk.run("--export-digest-cache", str(desk.folder / "nowhere" / "out"))
    assert status == 1
    assert "No such file or directory" in said


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("-a", "Invalid access.conf file path '{}'"),
        (
            "--access-folder",
            "Invalid access folder directory '{}' could not lstat(), does not exist",
        ),
        (
            "--gpg-home-dir",
            "gpg home directory '{}' could not lstat(), does",
        ),
        ("--gpg-exe", "gpg path '{}' could not lstat()/not executable?"),
        ("--sudo-exe", "sudo path '{}' could not stat()/not executable?"),
    ],
)
def test_what_the_command_line_names_has_to_be_there(desk: Desk, option: str, told: str) -> None:
    gone = str(desk.folder / "gone")
    status, _, said = desk.run(option, gone, "--exit-parse-config")
    assert status == 1
    assert f"[-] unable to lstat() path: {gone}: No such file or directory\n" in said
    assert f"[*] {told.format(gone)}" in said
    other = desk.folder / "access.conf" if "folder" in option or "dir" in option else desk.folder
    status, _, said = desk.run(option, str(other), "--exit-parse-config")
    assert status == 1
    assert f"[*] {told.format(other)}" in said
