"""What ``--dump-config`` prints: the packaged program's layout, and no secret."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.fwknopd_files import CONFIG, HMAC_KEY, KEY, STANZA, configure
from watchword.dialects.fwknop.dump import dump_config, error_codes
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import load

ACCESS = f"""\
SOURCE                  10.0.0.0/8, 192.0.2.7
KEY_BASE64              {KEY}
HMAC_KEY_BASE64         {HMAC_KEY}
HMAC_DIGEST_TYPE        sha512
OPEN_PORTS              tcp/22, udp/53
RESTRICT_PORTS          tcp/25
ACCESS_EXPIRE           1/5/2030
REQUIRE_USERNAME        root
SOURCE                  ANY
DESTINATION             192.0.2.0/24
KEY                     a passphrase of a length
MAX_FW_TIMEOUT          600
FW_ACCESS_TIMEOUT       60
REQUIRE_SOURCE_ADDRESS  Y
ENCRYPTION_MODE         legacy
"""
DIFFERENT = {
    "OVERRIDE_CONFIG",  # theirs names the main file, which it reads twice
    "FLUSH_IPT_AT_INIT", "FLUSH_IPT_AT_EXIT",  # ours are off: grants outlive a restart
    "EXIT_AT_INTF_DOWN",  # ours is off: an interface that went may come back
    "FIREWALL_EXE",  # theirs is compiled in
}  # fmt: skip


def files(folder: Path) -> tuple[str, str]:
    """A configuration and an access file on disk, private."""
    run = folder / "run"
    run.mkdir()
    texts = {
        "fwknopd.conf": f"ENABLE_UDP_SERVER Y;\nFWKNOP_RUN_DIR {run};\nVERBOSE 0\n"
        "DIGEST_FILE $FWKNOP_RUN_DIR/x.cache;\nMAX_SPA_PACKET_AGE 60;\nPCAP_INTF ens37;\n",
        "access.conf": ACCESS,
    }
    for name, text in texts.items():
        (folder / name).touch(0o600)
        (folder / name).write_text(text, "utf-8")
    return str(folder / "fwknopd.conf"), str(folder / "access.conf")


@pytest.mark.peer("fwknopd")
def test_it_is_what_the_packaged_program_prints_and_then_our_own(tmp_path: Path) -> None:
    config, access = files(tmp_path)
    theirs = subprocess.run(
        ["/usr/sbin/fwknopd", "-c", config, "-a", access, "-D"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout.splitlines()
    options = parse(["-c", config, "-a", access, "-O", ""])
    texts = {name: Path(name).read_text("utf-8") for name in (config, access)}
    texts[config] += "GUARD_SERVICES ALL\n"
    ours = dump_config(load(Sources.of(texts), options)).splitlines()

    end = theirs.index("")
    kept = [n for n, line in enumerate(theirs[:end]) if not DIFFERENT & set(line.split())]
    assert [ours[n] for n in kept] == [theirs[n] for n in kept]
    assert len(kept) == end - len(DIFFERENT)
    assert ours[ours.index("") :] == theirs[end:]


@pytest.mark.system  # fwknopd makes its run directory even for this
@pytest.mark.peer("fwknopd")
def test_error_codes_are_those_of_the_packaged_program() -> None:
    told = subprocess.run(
        ["/usr/sbin/fwknopd", "--dump-serv-err-codes"], check=True, capture_output=True, text=True
    )
    assert error_codes() == told.stdout


def test_no_key_is_printed() -> None:
    access = STANZA + "KEY hidden words here\nHMAC_KEY more hidden words\n"
    access += "GPG_DECRYPT_PW hidden too\nGPG_DISABLE_SIG Y\n"
    text = dump_config(configure("", access))
    assert "hidden" not in text
    assert KEY[:8] not in text
    assert text.count("<see the access.conf file>") == 5  # four keys and a password


def test_our_own_variables_follow_with_the_next_numbers() -> None:
    lines = dump_config(configure("GUARD_SERVICES tcp/22\nNFQ_PORT 5\n")).splitlines()
    assert " 55. FIREWALL_BACKEND             =  '<not set>'" in lines
    assert " 57. GUARD_SERVICES               =  'tcp/22'" in lines
    numbered = [line for line in lines if line[:3].strip().isdigit()]
    assert numbered[-1] == f"{len(numbered) - 1:>3}. NFQ_PORT                     =  '5'"


def test_the_command_line_shows_in_the_values() -> None:
    texts = {"f": CONFIG, "a": STANZA, "one": "", "two": ""}
    argv = ["-c", "f", "-a", "a", "-O", "one,two", "-vv", "-r", "/run/z"]
    values = load(Sources.of(texts), parse(argv)).values
    assert values["CONFIG_FILE"] == "f"
    assert values["OVERRIDE_CONFIG"] == "one,two"
    assert values["VERBOSE"] == "2"
    assert values["FWKNOP_PID_FILE"] == "/run/z/fwknopd.pid"


def test_a_stanza_out_of_use_is_shown_as_it_was_written() -> None:
    lost = "SOURCE 192.0.2.1\nOPEN_PORTS tcp/443\n%include_keys gone\n"
    text = dump_config(configure("", lost + STANZA))
    assert "SOURCE (1):  192.0.2.1\n" in text
    assert "                 OPEN_PORTS:  tcp/443\n" in text
