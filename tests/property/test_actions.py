"""Whatever a caller says: an action gets words of their kind, or nothing is run."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

from hypothesis import example, given
from hypothesis import strategies as st

from watchword.grant import closing
from watchword.grant.actions import LONGEST, UnfitError, job, named
from watchword.grant.commands import words
from watchword.model.actions import Action, Argument, Kind

ARGUMENTS = (
    Argument("A", Kind.ADDRESS),
    Argument("P", Kind.PORT, 1, 65535),
    Argument("N", Kind.NUMBER, -9, 9),
    Argument("C", Kind.CHOICE, choices=("on", "off")),
    Argument("W", Kind.WORD, pattern=".*"),
)
DO = Action("do", (("/bin/do",), *((f"{each.name}=", each) for each in ARGUMENTS)), ARGUMENTS)
SAID = st.one_of(
    st.text(max_size=60),
    st.ip_addresses().map(str),
    st.integers().map(str),
    st.sampled_from(("on", "off", "'", '"', "\\", "--", "-9", "$A", "\0", "a b")),
)


@given(st.lists(SAID, max_size=7).map(" ".join))
@example('192.0.2.7 22 -9 on "a b"')
@example("2001:db8::1 65535 9 off \ud800")
def test_an_action_gets_what_it_was_promised_or_nothing_is_run(text: str) -> None:
    try:
        run = job(DO, f"do {text}")
    except UnfitError:
        return
    program, *filled = run.argv
    values = dict(each.split("=", 1) for each in filled)
    assert program == "/bin/do"
    assert list(values) == [each.name for each in ARGUMENTS]
    assert str(ip_address(values["A"])) == values["A"]
    assert 1 <= int(values["P"]) <= 65535
    assert -9 <= int(values["N"]) <= 9
    assert values["C"] in ("on", "off")
    assert values["W"].isprintable()
    assert 0 < len(values["W"]) <= LONGEST
    assert not values["W"].startswith("-")
    assert values["W"] == words(text)[4]


@given(st.text(max_size=40))
def test_only_its_own_name_asks_for_an_action(text: str) -> None:
    assert (named((DO,), text) is DO) == (text.split()[:1] == ["do"])


@given(SAID)
def test_what_is_to_be_closed_is_a_list_of_services_or_refused(text: str) -> None:
    with contextlib.suppress(UnfitError):
        found = closing.services(f"close {text}")
        assert found is None or 0 < len(found) <= 64
