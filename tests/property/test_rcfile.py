"""What holds for every rc file and every thing saved in it."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from watchword.dialects.fwknop import rcfile
from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord
from watchword.dialects.fwknop.rcfile_read import read
from watchword.dialects.fwknop.rcfile_write import save, variables
from watchword.errors import OperatorError

words = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=12)
lines = st.one_of(
    st.just("[default]"),
    st.sampled_from(["[x]", "[X] again", "[y]", "# comment", "; too", "", "ACCESS tcp/22"]),
    st.builds("KEY {}".format, words),
    st.builds("{} {}".format, words, words),
    st.text(max_size=20),
)
texts = st.lists(lines).map("\n".join) | st.text(max_size=200)
passphrases = st.text(min_size=1, max_size=30)


@given(texts)
@example("[x]\r\nACCESS\ttcp/1\r\n\f\x0b[y]")
def test_the_lines_of_a_file_joined_are_the_file(text: str) -> None:
    assert "".join(line.text for line in rcfile.lines(text)) == text


@given(texts)
def test_any_text_is_settings_or_an_operators_mistake(text: str) -> None:
    with contextlib.suppress(OperatorError):
        read(text, "rc", "default", "x")


@given(texts, passphrases)
def test_a_saved_key_is_the_key_that_is_loaded(text: str, phrase: str) -> None:
    wanted = variables(Given(key=KeyWord(KeyForm.TEXT, phrase)))
    saved = save(text, "a stanza", wanted, anew=False)
    [section] = read(saved, "rc", "a stanza")
    assert section is not None
    assert variables(section.given) == wanted


@given(texts, st.sampled_from(["x", "y", "default", "new"]), st.booleans())
def test_saving_twice_is_saving_once(text: str, stanza: str, anew: bool) -> None:
    wanted = {"ACCESS": "tcp/1", "KEY_BASE64": "YWJj"}
    once = save(text, stanza, wanted, anew=anew)
    assert save(once, stanza, wanted, anew=False) == once


@given(texts, st.booleans())
def test_saving_leaves_every_other_line_of_the_file_where_it_is(text: str, anew: bool) -> None:
    before = [each.text.rstrip("\n") for each in rcfile.lines(text) if not _concerned(each)]
    after = save(text, "x", {"ACCESS": "tcp/1"}, anew=anew)
    rest = [each.text.rstrip("\n") for each in rcfile.lines(after) if not _concerned(each)]
    while rest and not rest[-1]:  # the gap before a stanza that is new
        rest.pop()
    while before and not before[-1]:
        before.pop()
    assert rest == before


def _concerned(line: rcfile.Line) -> bool:
    return rcfile.same(line.section, "x") and bool(line.name or line.head)
