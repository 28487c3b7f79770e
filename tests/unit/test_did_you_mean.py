"""Who mistypes a command, an option or a word is offered the near one, by every program."""

from __future__ import annotations

import pytest

from watchword.dialects.fwknop import server_options
from watchword.dialects.fwknop.server_options import UsageError
from watchword.programs import fwknop, watchword


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["stauts"], "did you mean status?"),
        (["status", "--jsn"], "did you mean --json?"),
        (["completion", "fsh"], "did you mean fish?"),
        (["connect", "--try-frist", "a", "22"], "did you mean --try-first?"),
        (["conformance", "clinet", "x"], "did you mean client?"),
        (["something else"], "watchword --help says what there is"),
        (["connect", "a", "no port"], "watchword connect --help says what there is"),
        ([], "watchword --help says what there is"),
    ],
)
def test_watchword_offers_what_was_meant(
    argv: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        watchword.main(argv)
    assert ended.value.code == 2
    usage, *_, error, hint = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: watchword")
    assert error.startswith("watchword: error: ")
    assert hint == f"watchword: hint: {meant}"


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["export", "gate", "--json"], "export"),
        (["conformance", "library", "--all"], "conformance library"),
        (["completion", "bash", "zsh"], "completion"),
        (["doctor", "a", "22", "b"], "doctor"),
    ],
)
def test_a_word_too_many_is_a_matter_of_the_command_that_it_follows(
    argv: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        watchword.main(argv)
    assert ended.value.code == 2
    usage, *_, error, hint = capsys.readouterr().err.splitlines()
    assert usage.startswith(f"usage: watchword {command} [")
    assert error == f"watchword: error: unrecognized arguments: {argv[-1]}"
    assert hint == f"watchword: hint: watchword {command} --help says what there is"


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["--acess-file", "x"], "did you mean --access-file?"),
        (["--forground"], "did you mean --foreground?"),
        (["--nothing-like-it"], "fwknopd --help lists the options"),
    ],
)
def test_fwknopd_offers_what_was_meant(argv: list[str], meant: str) -> None:
    with pytest.raises(UsageError) as refused:
        server_options.parse(argv)
    assert refused.value.complaints[0].hint == meant


def test_fwknop_offers_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert fwknop.main(["--acess", "tcp/22"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "fwknop: hint: did you mean --access?"
