"""What the client refuses, in the original's words, through the whole program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watchword.conformance.golden import load
from watchword.edges import prompt, send
from watchword.programs.fwknop import main

KEYS = ("--key-rijndael", "client-key-1", "--key-hmac", "client-hmac-1")
KNOCK = ("-T", "-A", "tcp/22", "-a", "192.0.2.10")
OTHER_WORDS = {
    # id of the vector: what we say instead, and why
    "clierr-cmd-200": "fko_set_spa_message: Error 94",  # refused before a useless packet is made
}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home; whoever asks for a key or sends a packet is a bug."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SPOOF_USER", raising=False)

    def never(*_words: object, **_more: object) -> None:
        raise AssertionError("neither asked nor sent")

    monkeypatch.setattr(prompt.Terminal, "ask", never)
    monkeypatch.setattr(send, "send", never)


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    """Run a command line that has to fail; what it says on standard error."""
    assert main(argv) == 1
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if "Creating initial rc file" not in line]


@pytest.mark.requirement("9.2", partial=True)
@pytest.mark.parametrize("vector", load("client_errors"), ids=lambda vector: vector["id"])
def test_what_fwknop_refuses_is_refused_in_its_words(
    vector: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, *vector["argv"][1:])
    if vector["id"] in OTHER_WORDS:
        assert OTHER_WORDS[vector["id"]] in said[0]
    else:
        count = len(vector["message"])
        assert said[:count] == vector["message"]
    assert said[-1].startswith("fwknop: hint: ")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("-A", "tcp/22", "-a", "192.0.2.1"), "Must use --destination unless --test mode is used"),
        (
            ("-A", "tcp/22", "-D", "h"),
            "Must use one of [-s|-R|-a] to specify IP for SPA access.",
        ),
        (("-k", "--save-rc-stanza"), "Must use --destination unless --test mode is used"),
        ((*KNOCK, "-Q", "host"), "Invalid spoof IP"),
        (
            (*KNOCK, "-Q", "192.0.2.1"),
            "Must set -P <udpraw|tcpraw|icmp> with a spoofed source IP",
        ),
        (
            (*KNOCK, "-H", "proxy", "-P", "tcp"),
            "Cannot set --http-proxy with a non-HTTP protocol.",
        ),
        ((*KNOCK, "-g"), "Must specify --gpg-recipient-key when GPG is used."),
        ((*KNOCK, "--gpg-recipient-key", ""), "Must specify --gpg-recipient-key when GPG"),
        ((*KNOCK, "--gpg-recipient-key", " "), "Must specify --gpg-recipient-key when GPG"),
        (
            (*KNOCK, "-M", "Asymmetric"),
            "Must specify GPG recipient/signing keys when Asymmetric encryption mode is used.",
        ),
        ((*KNOCK, "-p", "65536"), "[*] Value 65536 out of range [(0)-(65535)]"),
        ((*KNOCK, "-P", "sctp"), "Unrecognized protocol: sctp"),
        ((*KNOCK, "--icmp-type", "256"), "Invalid icmp type '256', must be in [0-255]"),
        ((*KNOCK, "--icmp-code", "256"), "Invalid icmp code '256', must be in [0-255]"),
        ((*KNOCK, "--time-offset-plus", "100000"), "Invalid time offset: '100000'"),
        (("-k", "--key-len", "129"), "Invalid key length '129', must be in [1-128]"),
        (("-k", "--hmac-key-len", "0"), "Invalid hmac key length '0', must be in [1-128]"),
        (("--no-rc-file", "-n", "x"), "Cannot set stanza name in --no-rc-file mode."),
        (
            ("--no-rc-file", "--save-rc-stanza"),
            "Cannot save an rc stanza in --no-rc-file mode.",
        ),
        (("--no-rc-file", "--stanza-list"), "Cannot list stanzas in --no-rc-file mode."),
        (
            ("--no-home-dir", "-V"),
            "Warning: in --no-home-dir mode, must set --rc-file path.",
        ),
        (
            ("--no-home-dir", "--no-rc-file", *KNOCK, *KEYS, "--no-save-args"),
            "In --no-home-dir mode must set the args save file path with -E",
        ),
        (
            ("--fault-injection-tag", "x"),
            "fwknop not compiled with fault injection support.",
        ),
        (
            ("-T", "-A", "tcp/22", *KEYS),
            "fwknop: fko_set_spa_message: Error 100 - Invalid allow IP",
        ),
        ((*KNOCK, *KEYS, "-N", "a:b"), "[*] Invalid port value in -N arg."),
        ((*KNOCK, "-G", "/nonexistent"), "Could not open config file: /nonexistent"),
        (("--show-last",), "Could not open args file: "),
        (("-l",), "Could not open args file: "),
        (("--frobnicate",), "fwknop: unrecognized option '--frobnicate'"),
        (("-D",), "fwknop: option requires an argument -- 'D'"),
        (("--access",), "fwknop: option '--access' requires an argument"),
        (("--test=1",), "fwknop: option '--test' doesn't allow an argument"),
        (("--gpg-h", "x", "--gpg-x"), "fwknop: unrecognized option '--gpg-x'"),
        (("--key", "x"), "fwknop: option '--key' is ambiguous; possibilities: '--key-rijndael'"),
        (("-Z",), "fwknop: invalid option -- 'Z'"),
        ((*KNOCK, *KEYS, "-U", "/bob"), "fwknop: fko_set_username: Error 90"),
        (
            (*KNOCK, *KEYS, "--time-offset-minus", "65536d"),
            "fwknop: fko_set_timestamp: Error 88 - ",
        ),
        ((*KNOCK, *KEYS, "--rc-file", "/"), "[-] file: / is not a regular file"),
    ],
    ids=lambda each: " ".join(each)[:60] if isinstance(each, tuple) else "",
)
def test_a_wrong_command_line_is_refused_in_fwknops_words(
    argv: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *more = refusal(capsys, *argv)
    assert first.startswith(message)
    assert more[-1].startswith("fwknop: hint: ")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("-T", "-a", "192.0.2.1", *KEYS), "Must use --access to specify what to open."),
        (("-T", "-a", "192.0.2.1", "-A", "tcp/0"), "fwknop: fko_set_spa_message: Error 102"),
        ((*KNOCK, "-U", "a/b"), "fwknop: fko_set_username: Error 91"),
        ((*KNOCK, *KEYS, "--rc-file", "x" * 300), f"{'x' * 300}: File name too long"),
        ((*KNOCK, "-G", "x" * 300), f"{'x' * 300}: File name too long"),
        ((*KNOCK, "--key-rijndael", ""), "The encryption key is empty"),
        ((*KNOCK, "--key-rijndael", "x", "--key-hmac", ""), "The HMAC key is empty"),
        ((*KNOCK, *KEYS, "--nat-rand-port"), "--nat-port and --nat-rand-port need to know"),
        ((*KNOCK, *KEYS, "--nat-port", "4"), "--nat-port and --nat-rand-port need to know"),
        (
            ("-T", "-C", "id", "-a", "192.0.2.1", *KEYS, "-N", "192.0.2.2:5"),
            "A command cannot be combined with NAT options.",
        ),
        ((*KNOCK, *KEYS, "--nat-local"), "--nat-local needs the server's name."),
        ((*KNOCK, *KEYS, "-D", "h:99999"), "the port '99999' is not within"),
        ((*KNOCK, *KEYS, "-D", "h:22", "-p", "23"), "-D names port 22, and another option"),
        ((*KNOCK, *KEYS, "-f", "65537"), "fwknop: fko_set_spa_client_timeout: Error 94"),
    ],
    ids=lambda each: " ".join(each)[:60] if isinstance(each, tuple) else "",
)
def test_what_cannot_work_is_said_before_anybody_is_asked_or_anything_sent(
    argv: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, hint = refusal(capsys, *argv)
    assert first.startswith(message)
    assert hint.startswith("fwknop: hint: ")


@pytest.mark.parametrize("option", ["--key-base64-rijndael", "--key-base64-hmac"])
def test_no_message_quotes_a_key(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, *KNOCK, option, "not!base64-but-secret")
    assert said[0].endswith("argument doesn't look like base64-encoded data.")
    assert "secret" not in "".join(said)


@pytest.mark.requirement("2.7")
def test_the_tutorials_mixed_up_address_gets_the_right_stanza_offered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = "-A tcp/1234 -a 192.168.21.128 -D 192.168.21.132 --key-gen --use-hmac --save-rc-stanza"
    assert main(made.split()) == 0
    capsys.readouterr()

    assert refusal(capsys, "-n", "192.168.21.128") == [
        "Named configuration stanza: [192.168.21.128] was not found.",
        "fwknop: hint: did you mean [192.168.21.132]?",
    ]
    assert refusal(capsys, "-n", "something-else") == [
        "Named configuration stanza: [something-else] was not found.",
        "fwknop: hint: fwknop --stanza-list shows the stanzas there are",
    ]


def test_nobody_is_told_to_change_the_mode_of_a_device(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert refusal(capsys, *KNOCK, *KEYS, "--rc-file", "/dev/zero") == [
        "[-] file: /dev/zero is not a regular file or symbolic link.",
        "/dev/zero: is not a regular file",
        "fwknop: hint: name a file",
    ]


def test_what_a_named_section_lacks_is_to_be_added_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rc_file = tmp_path / "rc"
    rc_file.write_text("[home]\nACCESS tcp/22\n", "utf-8")
    rc_file.chmod(0o600)
    named = ("--rc-file", str(rc_file), "-n", "home")
    assert refusal(capsys, *named) == [
        "Must use --destination unless --test mode is used",
        "fwknop: hint: give -D, or add SPA_SERVER to [home]",
    ]
    assert refusal(capsys, *named, "-D", "127.0.0.1") == [
        "Must use one of [-s|-R|-a] to specify IP for SPA access.",
        "fwknop: hint: give -s, -R or -a, or add ALLOW_IP to [home]",
    ]
    assert refusal(capsys, *named, "-A", "tcp/80", "--save-rc-stanza")[-1] == (
        "fwknop: hint: what is saved is not read before: give -D once more"
    )


def test_without_a_home_the_program_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HOME")
    assert refusal(capsys, *KNOCK, *KEYS)[:2] == [
        "Warning: Unable to determine HOME directory.",
        " No .fwknoprc file processed.",
    ]
    assert refusal(capsys, *KNOCK, *KEYS, "--no-rc-file")[0] == (
        "Unable to determine args save file"
    )


def test_an_argument_list_too_long_to_keep_ends_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert refusal(capsys, *KNOCK, *KEYS, "-u", "x" * 1100) == [
        "argument string too long, exiting.",
        "fwknop: hint: use --no-save-args, or save the options in the rc file with "
        "--save-rc-stanza",
    ]


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("::ffff:192.0.2.7", "the allow address is one of IPv4: 192.0.2.7"),
        ("fe80::1%eth0", "an allow address has no zone: other machines have other interfaces"),
    ],
)
def test_of_an_address_that_others_cannot_use_is_said_why(
    address: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(capsys, "-T", "-A", "tcp/22", *KEYS, "-a", address) == [
        "Invalid allow IP specified for SPA access",
        f"fwknop: hint: {hint}",
    ]


def test_what_is_offered_instead_of_an_args_file_in_the_home_is_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    homeless = ("--no-home-dir", "--no-rc-file", "-T", "-A", "tcp/22", "-s", *KEYS)
    hint = refusal(capsys, *homeless, "--no-save-args")[-1]
    assert hint.endswith("or -E /dev/null, which keeps nothing")
    assert main([*homeless, "-E", "/dev/null"]) == 0
