"""Whatever stands on a command line or in a kept line: words are neither lost nor made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.dialects.fwknop import client_last
from watchword.dialects.fwknop.client_option_table import OPTIONS
from watchword.dialects.fwknop.client_options import MODERN, PERL, parse, peek
from watchword.dialects.fwknop.client_perl_table import PERL_OPTIONS
from watchword.dialects.fwknop.client_words import UsageError, Vocabulary
from watchword.errors import OperatorError

NAMES = [f"--{each.long}" for each in (*OPTIONS, *PERL_OPTIONS)]
LETTERS = [f"-{each.short}" for each in (*OPTIONS, *PERL_OPTIONS) if each.short]
# What a system hands over as an argument: characters, and octets that are none.
TEXT = st.one_of(
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12),
    st.binary(max_size=12)
    .filter(lambda octets: 0 not in octets)
    .map(lambda octets: octets.decode("utf-8", "surrogateescape")),
)
NAME = st.sampled_from(NAMES)
ABBREVIATION = st.builds(lambda name, size: name[: 2 + size], NAME, st.integers(1, 12))
WORD = st.one_of(
    NAME,
    ABBREVIATION,
    st.sampled_from(LETTERS),
    st.builds(lambda name, value: f"{name}={value}", st.one_of(NAME, ABBREVIATION), TEXT),
    st.builds(lambda letters, value: f"-{letters}{value}", st.text("vsTlbrk46RgAaD"), TEXT),
    st.sampled_from(["--", "-", "", "tcp/22", "127.0.0.1", "-1"]),
    TEXT,
)
LINE = st.lists(WORD, max_size=8)
SECRET = "zq-secret-zq"
VOCABULARIES = pytest.mark.parametrize(
    ("vocabulary", "as_perl"), [(MODERN, False), (PERL, True)], ids=["fwknop", "fwknop1"]
)


@VOCABULARIES
@given(words=LINE)
def test_a_command_line_is_split_without_loss_or_refused(
    words: list[str], vocabulary: Vocabulary, as_perl: bool
) -> None:
    said, spoken = "", []
    try:
        spoken = list(vocabulary.split(words))
    except UsageError as refused:
        said = str(refused)
    if said:
        assert said.startswith("fwknop1: " if as_perl else "fwknop: ")
        return
    assert [typed for each in spoken for typed in each.typed] == words
    for each in spoken:
        for option, value in each.options:
            assert option.placeholder or not value


@VOCABULARIES
@given(words=LINE)
def test_whatever_is_typed_is_read_or_refused_with_a_sentence(
    words: list[str], vocabulary: Vocabulary, as_perl: bool
) -> None:
    del vocabulary
    for reader in (peek, parse):
        said = "nothing"
        try:
            reader(words, as_perl=as_perl)
        except OperatorError as refused:
            said = str(refused)
        assert said


VALUES = st.sampled_from(["-U", "-C", "-B", "-D", "-n", "-A", "-N", "--gpg-home-dir", "--spoof-u"])
PAIRS = st.lists(st.tuples(VALUES, TEXT), min_size=1, max_size=4).map(
    lambda pairs: [word for pair in pairs for word in pair]
)


@VOCABULARIES
@given(words=st.one_of(PAIRS, LINE))
def test_what_is_kept_comes_back_as_it_was_but_for_keys(
    words: list[str], vocabulary: Vocabulary, as_perl: bool
) -> None:
    del vocabulary
    try:
        line = client_last.kept(["fwknop", *words], as_perl=as_perl)
        before = parse(words, as_perl=as_perl)
    except OperatorError:
        return
    if as_perl and not client_last.is_of_perl(line):
        return  # a line that begins with an operand, which perl's never did
    after = parse(client_last.again(line), as_perl=as_perl)
    hidden = {"key", "mac_key", "use_hmac", "relay", "relay_password"}
    for name, value in vars(before.given).items():
        if name not in hidden:
            assert getattr(after.given, name) == value
    assert after.perl == before.perl


@VOCABULARIES
@given(words=LINE, option=st.sampled_from(sorted(client_last._SECRET)), joined=st.booleans())
def test_no_key_is_ever_kept(
    words: list[str], option: str, joined: bool, vocabulary: Vocabulary, as_perl: bool
) -> None:
    del vocabulary
    with_key = [f"--{option}={SECRET}"] if joined else [f"--{option}", SECRET]
    try:
        line = client_last.kept(["fwknop", *with_key, *words], as_perl=as_perl)
    except OperatorError:
        return
    assert SECRET not in line


@given(text=st.text(max_size=300))
def test_any_file_of_hosts_takes_a_line_more_and_gives_it_back(text: str) -> None:
    kept = "fwknop -A tcp/22 -D gate.example "
    changed = client_last.with_host(text, kept)
    assert changed.endswith(f"{kept}\n")
    assert client_last.of_host(changed, "gate.example") == kept
    assert client_last.with_host(changed, kept) == changed
