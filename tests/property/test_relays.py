"""What holds for every proxy that can be written, and for whatever is said to one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.dialects.fwknop.client_relays import written
from watchword.dialects.fwknop.client_settings import RelayForm, RelayWord
from watchword.model.crypto import Secret
from watchword.model.relays import Login, RelayKind
from watchword.model.routes import endpoint
from watchword.wire.carriers.answers import DeclinedError
from watchword.wire.carriers.relays import LONGEST_HEAD, Conversation, connect, socks5

names = st.from_regex(r"[A-Za-z0-9._-]{1,60}", fullmatch=True)
hosts = names | st.ip_addresses().map(str)
ports = st.integers(1, 65535)
users = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
passwords = st.binary(min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(hosts, ports, users, passwords)
def test_a_login_that_is_quoted_comes_back_as_it_was(
    host: str, port: int, user: str, password: bytes
) -> None:
    text = f"socks5://{quote(user, safe='')}:{quote(password, safe='')}@{endpoint(host, port)}"
    found = written(RelayWord(RelayForm.SOCKS, text))
    assert (found.kind, found.host, found.port) == (RelayKind.SOCKS5, host, port)
    assert found.login == Login(user, Secret(password))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(RelayForm))
def test_any_text_is_a_proxy_that_stands_in_it_or_refused(text: str, form: RelayForm) -> None:
    try:
        found = written(RelayWord(form, text))
    except ValueError:
        return
    assert found.host in text
    assert found.port is None or 1 <= found.port <= 65535


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([socks5, connect]), hosts, ports, st.binary(max_size=600))
def test_whatever_a_relay_answers_it_is_heard_in_bounds(
    ask: Callable[[str, int], Conversation], host: str, port: int, answers: bytes
) -> None:
    heard = 0
    try:
        talk = ask(host, port)
        turn = next(talk)
        while heard + turn.await_bytes <= len(answers):
            piece = answers[heard : heard + turn.await_bytes]
            heard += turn.await_bytes
            turn = talk.send(piece)
    except (StopIteration, DeclinedError):
        pass
    assert heard <= LONGEST_HEAD
