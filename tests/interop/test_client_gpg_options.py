"""The GPG options of the perl client, with gpg itself: what they change in a packet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gpg_homes import KEYS, client_home, fingerprint, patient_gpg, server_home
from watchword.model.crypto import Secret
from watchword.model.openpgp import Decrypted, Keyring, OpenPgpCredential, Signers
from watchword.wire.spa.message import Message
from watchword.wire.spa.openpgp import OpenPgpLock

pytestmark = [pytest.mark.peer("gpg")]

SERVER = "srv-rsa2048"
PASSPHRASE = "client-pass-1"


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("gpg")
    with client_home(folder / "clients") as clients, server_home(folder / "servers") as servers:
        yield clients, servers


@pytest.fixture
def options_file(homes: tuple[Path, Path]) -> Iterator[Path]:
    """The client's gpg.conf; gone after the test."""
    path = homes[0] / "gpg.conf"
    yield path
    path.unlink(missing_ok=True)


def run(
    home: Path,
    packet: Path,
    *options: str,
    program: str = "fwknop1",
    stdin: str = "",
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """A run in test mode that writes its packet. Opening it again takes a key that we have not."""
    # "or" ends with 1 in test mode: without the server's secret key nobody opens the packet.
    ran = subprocess.run(
        [sys.executable, "-m", f"watchword.programs.{program}", "--no-rc-file", "--no-save-args",
         "-A", "tcp/22,udp/53", "-a", "192.0.2.10", "-D", "198.51.100.7", "--test",
         "--gpg-home-dir", str(home), "--Save-packet-file", str(packet), *options],
        input=stdin, capture_output=True, text=True, check=False, timeout=250,
        env={**os.environ, "HOME": str(packet.parent), "SPOOF_USER": "tester"},
    )  # fmt: skip
    if check:
        assert "Error 132" in ran.stderr, ran.stderr
    return ran


def opened(
    homes: tuple[Path, Path], packet: Path, server: str = SERVER
) -> tuple[Message, Decrypted]:
    """What a server finds in the packet."""
    word = KEYS[server]["passphrase"]
    ring = Keyring(str(homes[1]), passphrase=Secret(word.encode()) if word else None)
    lock = OpenPgpLock(OpenPgpCredential(ring, Signers(any_state=True)))
    decrypted = patient_gpg().decrypt(ring, lock.message(packet.read_bytes().strip()))
    return lock.read(decrypted).message, decrypted


def signers(homes: tuple[Path, Path], packet: Path) -> list[str]:
    return [each.fingerprint for each in opened(homes, packet)[1].signatures]


TO = ("--gpg-recipient", fingerprint(SERVER))
BY = ("--gpg-signing-key", fingerprint("cli-ed25519"), "--gpg-no-signing-pw")


@pytest.mark.requirement("9.15")
@pytest.mark.requirement("9.13")
def test_fwknop1_signs_with_the_key_and_the_ring_that_are_named(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    ran = run(homes[0], tmp_path / "packet", *TO, *BY)
    message, decrypted = opened(homes, tmp_path / "packet")
    assert (message.version, message.text) == ("1.9.12", "192.0.2.10,tcp/22,udp/53")
    assert [each.fingerprint for each in decrypted.signatures] == [fingerprint("cli-ed25519")]
    assert "        Version:        1.9.12\n" in ran.stdout

    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    refused = run(other, tmp_path / "second", *TO, *BY, check=False)
    assert refused.returncode == 1
    assert "Error 130" in refused.stderr
    assert not (tmp_path / "second").exists()


@pytest.mark.requirement("9.15", partial=True)
def test_the_passphrase_is_asked_for(homes: tuple[Path, Path], tmp_path: Path) -> None:
    by = ("--gpg-sign", fingerprint("cli-rsa2048-pw"), "--stdin")
    run(homes[0], tmp_path / "packet", *TO, *by, stdin=f"{PASSPHRASE}\n")
    assert signers(homes, tmp_path / "packet") == [fingerprint("cli-rsa2048-pw")]


@pytest.mark.requirement("9.14")
@pytest.mark.parametrize(
    "name",
    [
        fingerprint(SERVER)[-8:],
        fingerprint(SERVER)[-16:],
        f"0x{fingerprint(SERVER)[-16:]}",
        fingerprint(SERVER),
        "srv-rsa2048@",
    ],
)
def test_the_servers_key_is_known_by_id_fingerprint_and_mail_address(
    name: str, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    listed = subprocess.run(
        ["gpg", "--homedir", str(homes[0]), "--with-colons", "--list-keys", fingerprint(SERVER)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if "@" in name:
        uid = next(line.split(":")[9] for line in listed.splitlines() if line[:4] == "uid:")
        name = uid.partition("<")[2].rstrip(">") or uid
    run(homes[0], tmp_path / "packet", "--gpg-recipient", name, *BY)
    assert opened(homes, tmp_path / "packet")[0].text == "192.0.2.10,tcp/22,udp/53"


@pytest.mark.requirement("9.12")
def test_the_default_key_is_that_of_the_options_file(
    homes: tuple[Path, Path], options_file: Path, tmp_path: Path
) -> None:
    default = ("--gpg-default-key", "--gpg-no-signing-pw")
    for name in ("cli-ed25519", "cli-rsa2048"):
        options_file.write_text(f"default-key {fingerprint(name)}\n", "ascii")
        run(homes[0], tmp_path / name, *TO, *default)
        assert signers(homes, tmp_path / name) == [fingerprint(name)]
    options_file.unlink()
    run(homes[0], tmp_path / "packet", *TO, *default)
    [signer] = signers(homes, tmp_path / "packet")
    assert signer in {fingerprint(name) for name in KEYS if name.startswith("cli-")}


def test_with_a_default_key_nothing_else_of_the_options_file_makes_a_packet_longer(
    homes: tuple[Path, Path], options_file: Path, tmp_path: Path
) -> None:
    options_file.write_text(
        f"default-key {fingerprint('cli-ed25519')}\nencrypt-to {fingerprint('srv-rsa2048-pw')}\n"
        "armor\n",
        "ascii",
    )
    run(homes[0], tmp_path / "packet", *TO, "--gpg-default-key", "--gpg-no-signing-pw")
    assert signers(homes, tmp_path / "packet") == [fingerprint("cli-ed25519")]
    run(homes[0], tmp_path / "named", *TO, *BY)
    sizes = [len((tmp_path / name).read_bytes()) for name in ("packet", "named")]
    assert abs(sizes[0] - sizes[1]) < 20


@pytest.mark.requirement("9.17")
def test_the_options_file_counts_only_where_it_is_asked_for(
    homes: tuple[Path, Path], options_file: Path, tmp_path: Path
) -> None:
    options_file.write_text(f"encrypt-to {fingerprint('srv-rsa2048-pw')}\n", "ascii")
    sizes = {}
    for name, more in {
        "default": [], "no": ["--gpg-no-options"], "yes": ["--gpg-use-options"],
    }.items():  # fmt: skip
        run(homes[0], tmp_path / name, *TO, *BY, *more)
        sizes[name] = len((tmp_path / name).read_bytes())
    message, _ = opened(homes, tmp_path / "yes", "srv-rsa2048-pw")
    assert message.text == "192.0.2.10,tcp/22,udp/53"
    assert abs(sizes["default"] - sizes["no"]) < 20
    assert sizes["yes"] > sizes["no"] + 300  # a second RSA key's part


@pytest.mark.requirement("9.16")
@pytest.mark.parametrize("program", ["fwknop", "fwknop1"])
def test_what_gpg_says_is_shown_where_it_is_asked_for(
    program: str, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    ran = run(homes[0], tmp_path / "packet", *TO, *BY, "--gpg-verbose", program=program)
    assert "[GNUPG:] BEGIN_ENCRYPTION" in ran.stderr
    assert "[GNUPG:] SIG_CREATED" in ran.stderr
    silent = run(homes[0], tmp_path / "packet", *TO, *BY, program=program)
    assert "[GNUPG:]" not in silent.stderr


@pytest.mark.requirement("9.11")
@pytest.mark.requirement("9.10")
def test_the_agent_is_asked_and_gpg_is_told_where_an_old_one_was(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    recorder = tmp_path / "gpg"
    recorder.write_text(
        f'#!/bin/sh\necho "$GPG_AGENT_INFO" >> {tmp_path / "seen"}\nexec gpg "$@"\n', "ascii"
    )
    recorder.chmod(0o755)
    by = ("--gpg-signing-key", fingerprint("cli-rsa2048-pw"), "--gpg-path", str(recorder))
    unlock = ["gpg", "--homedir", str(homes[0]), "--batch", "--pinentry-mode", "loopback",
              "--passphrase", PASSPHRASE, "--local-user", fingerprint("cli-rsa2048-pw"),
              "--output", "/dev/null", "--yes", "--sign", "/etc/hostname"]  # fmt: skip
    subprocess.run(unlock, check=True, capture_output=True)
    ran = run(homes[0], tmp_path / "packet", *TO, *by, "--gpg-agent-info", "/old/agent:1:1")
    assert "[+] GPG mode set, signing passphrase acquired via gpg-agent" in ran.stdout
    assert signers(homes, tmp_path / "packet") == [fingerprint("cli-rsa2048-pw")]
    assert set((tmp_path / "seen").read_text("ascii").splitlines()) == {"/old/agent:1:1"}


@pytest.mark.requirement("9.18")
def test_another_program_is_run_and_the_prefix_is_kept_where_it_is_asked_for(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    recorder = tmp_path / "gpg"
    recorder.write_text(f'#!/bin/sh\necho run >> {tmp_path / "seen"}\nexec gpg "$@"\n', "ascii")
    recorder.chmod(0o755)
    path = ("--gpg-path", str(recorder), "--gpg-prefix", "hQ")
    run(homes[0], tmp_path / "cut", *TO, *BY, *path)
    assert (tmp_path / "seen").exists()
    assert not (tmp_path / "cut").read_bytes().startswith(b"hQ")
    run(homes[0], tmp_path / "kept", *TO, *BY, *path, "--Include-gpg-prefix")
    kept = (tmp_path / "kept").read_bytes()
    assert kept.startswith(b"hQ")
    (tmp_path / "kept").write_bytes(kept[2:])
    assert opened(homes, tmp_path / "kept")[0].version == "1.9.12"


def test_fwknop1_does_not_encrypt_without_a_signature(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    ran = run(homes[0], tmp_path / "packet", *TO, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith("--gpg-recipient needs somebody who signs.\n")
    assert not (tmp_path / "packet").exists()


@pytest.mark.requirement("10.4", partial=True)
def test_the_old_pages_example_with_its_misprint_is_met_with_the_right_name(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    by = ("--gpg-sign", fingerprint("cli-ed25519"), "--gpg-no-signing-pw")
    refused = run(homes[0], tmp_path / "packet", *by, "--gpg--recipient", "1234ABCD", check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        "fwknop1: unrecognized option '--gpg--recipient'\n"
        "fwknop: hint: did you mean --gpg-recipient?\n"
    )
    run(homes[0], tmp_path / "packet", *by, "--gpg-recipient", fingerprint(SERVER)[-8:])
    assert opened(homes, tmp_path / "packet")[0].text == "192.0.2.10,tcp/22,udp/53"
