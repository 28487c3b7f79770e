"""What the client's doctor concludes: the certain before the likely."""

from __future__ import annotations

from typing import Any

import pytest

from watchword.dialects.fwknop.client_values import time_offset
from watchword.edges.dial import Heard
from watchword.edges.path import Objection, Passage
from watchword.record import replace
from watchword.service.doctor import words as doctor_words
from watchword.service.doctor.diagnosis import Seen, Trouble, diagnose

SEEN = Seen(
    host="home", server="home.example", carrier="udp", server_port=62201, address="203.0.113.1",
    port=22, before=Heard.SILENCE, after=Heard.SILENCE, passage=Passage(Objection.NONE),
    packet="THE-PACKET", digest="abc",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "trouble", "said"),
    [
        ({}, Trouble.UNSEEN, "or the clocks, which nobody told"),
        ({"clock": 5.0}, Trouble.UNSEEN, "key or policy refuse it"),
        ({"clock": -500.0, "clock_of": "x"}, Trouble.CLOCK, "clock of x is 500 seconds behind"),
        ({"clock": 500.0, "moved": 500}, Trouble.UNSEEN, "key or policy refuse it"),
        ({"clock": 0.0, "moved": -500}, Trouble.CLOCK, "with -500 seconds added in the packet"),
        ({"moved": 3600}, Trouble.UNSEEN, "nobody told, with +3600 seconds added in the packet"),
        ({"after": Heard.ANSWER}, Trouble.NONE, "all is well"),
        ({"after": Heard.ANSWER, "clock": 900.0}, Trouble.NONE, "although the clock"),
        ({"after": Heard.REFUSAL}, Trouble.SERVICE, "the service is down"),
        ({"after": Heard.REFUSAL, "clock": 900.0}, Trouble.SERVICE, "the service is down"),
        ({"before": Heard.REFUSAL, "after": Heard.REFUSAL}, Trouble.SERVICE, "nothing hides it"),
        ({"before": Heard.REFUSAL, "after": Heard.ANSWER}, Trouble.NONE, "all is well"),
        ({"before": Heard.ANSWER, "after": Heard.ANSWER}, Trouble.UNPROTECTED, "without a knock"),
        ({"not_sent": "no route"}, Trouble.PATH, "no packet could be sent to home.example"),
        ({"port": None, "before": None, "after": None}, Trouble.NONE, "nobody objected"),
    ],
)
def test_what_was_seen_has_one_diagnosis(
    changes: dict[str, object], trouble: Trouble, said: str
) -> None:
    found = diagnose(replace(SEEN, **changes))
    assert found.trouble is trouble
    assert said in found.sentence


@pytest.mark.parametrize(
    ("objection", "by", "trouble", "said"),
    [
        (Objection.NOBODY, "203.0.113.1", Trouble.SERVICE, "fwknopd does not listen"),
        (Objection.NOBODY, "", Trouble.SERVICE, "fwknopd does not listen"),
        (Objection.NOBODY, "192.0.2.1", Trouble.PATH, "192.0.2.1 finds no way for UDP"),
        (Objection.PROHIBITED, "192.0.2.1", Trouble.PATH, "192.0.2.1 does not allow UDP"),
        (Objection.PROHIBITED, "203.0.113.1", Trouble.PATH, "the server's own host does not"),
        (Objection.UNREACHABLE, "", Trouble.PATH, "somebody finds no way"),
        (Objection.NOT_LET_OUT, "Operation not permitted", Trouble.PATH, "does not let"),
    ],
)
def test_who_objected_is_named(objection: Objection, by: str, trouble: Trouble, said: str) -> None:
    found = diagnose(replace(SEEN, passage=Passage(objection, by)))
    assert found.trouble is trouble
    assert said in found.sentence


def test_the_text_of_a_packet_is_given_only_where_the_server_has_to_be_asked() -> None:
    for changes in ({"after": Heard.ANSWER}, {"after": Heard.REFUSAL}, {"clock": 500.0}):
        found = diagnose(replace(SEEN, **changes))
        assert SEEN.packet not in found.sentence + found.remedy
    found = diagnose(SEEN)
    assert f"watchword explain -s YOUR-ADDRESS {SEEN.packet}" in found.remedy


def test_each_trouble_has_an_exit_status_of_its_own() -> None:
    assert sorted(each.value for each in Trouble) == list(range(8))


def test_people_are_told_line_by_line() -> None:
    lines = list(doctor_words.in_words(diagnose(SEEN), SEEN, ["203.0.113.1"], ()))
    topics = [line.split()[0] for line in lines]
    assert topics == ["name", "clock", "before", "packet", "after", "diagnosis", "remedy"]
    assert "cannot be compared from here" in lines[1]


@pytest.mark.parametrize(
    ("seen", "remedy"),
    [
        ({"clock": 600.4}, "--time-offset-plus 600"),
        ({"clock": -65536.0}, "--time-offset-minus 65536"),
        ({"clock": 65600.0}, "--time-offset-plus 1093min"),
        ({"clock": -3932160.0}, "--time-offset-minus 65536min"),
        ({"clock": 100_000_000.0}, "set the clock of the one that is wrong (NTP)"),
        ({"clock": 3.0, "moved": 900}, "leave the time offset out (TIME_OFFSET)"),
    ],
)
def test_a_time_offset_is_offered_where_the_client_takes_it(
    seen: dict[str, Any], remedy: str
) -> None:
    found = diagnose(replace(SEEN, **seen))
    assert found.remedy.endswith(remedy)
    option, _, text = remedy.rpartition(" ")
    if option.startswith("--time-offset-"):
        assert abs(time_offset(text) - abs(seen["clock"])) <= 30
