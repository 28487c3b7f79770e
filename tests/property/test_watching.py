"""What others wrote into a request for metrics, or into the audit journal, breaks nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchword.dialects import audit
from watchword.dialects.audit import START, Examination
from watchword.edges import scrapes

PIECES = st.sampled_from(
    [
        *(b"GET", b"POST", b" ", b"/metrics", b"/", b"?", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n"),
        *(b"Host:", b"host", b":", b"localhost", b"127.0.0.1", b"[::1]", b"9100", b"evil", b"\xff"),
    ]
)
HEADS = st.binary(max_size=200) | st.lists(PIECES, max_size=12).map(b"".join)
TEXTS = st.text() | st.sampled_from(['","hash":"', "}", "\n", '"'])


@given(HEADS, st.booleans())
def test_every_request_has_an_answer_and_the_page_is_for_get_by_a_name_of_this_host(
    head: bytes, local: bool
) -> None:
    status = scrapes._judge(head, local=local)
    assert status in scrapes._SAID
    if status == 200:
        assert head.startswith((b"GET /metrics ", b"GET /metrics?"))
        named = [line for line in head.split(b"\r\n") if line[:5].lower() == b"host:"]
        assert local or all(b"evil" not in line for line in named)


@given(st.lists(st.binary(max_size=300), max_size=5), st.binary(max_size=100))
def test_no_journal_breaks_its_examination_and_rubbish_is_not_whole(
    lines: list[bytes], head: bytes
) -> None:
    found = Examination()
    found.look_at(("audit.log", number, line + b"\n") for number, line in enumerate(lines, 1))
    found.end(audit.Link.of_head(head))
    assert (found.flaw is None) is (not lines)
    for line in lines:
        assert audit.shown(line).isprintable()
        audit.place(line)


@given(st.dictionaries(TEXTS, TEXTS | st.integers() | st.lists(TEXTS), max_size=4))
def test_whatever_an_entry_says_it_is_one_line_and_whole(said: dict[str, object]) -> None:
    what = {"event": "test", **{f"x{name}": value for name, value in said.items()}}
    first, link = audit.entry(what, START)
    second, head = audit.entry(what, link)
    assert first.count(b"\n") == 1
    assert audit.place(first) == link
    found = Examination()
    found.look_at([("audit.log", 1, first), ("audit.log", 2, second)])
    found.end(head)
    assert found.flaw is None
