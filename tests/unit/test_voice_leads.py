"""What the log says of grants that lead on, beside what the packaged server says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from tests.fwknopd_files import configure
from tests.unit.test_voice import grant
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.voice import Voice
from watchword.dialects.fwknop.voice_json import fields_of
from watchword.model.openings import Ending, Lead, SourceNat
from watchword.model.outcomes import GrantEnded, Judged, Refusal
from watchword.model.reasons import Reason
from watchword.model.requests import ForwardWish
from watchword.model.services import Service
from watchword.model.settings import LogChains, LogStyle

INSIDE = ip_address("10.0.0.5")
WEB = (Service.parse("tcp/8080"),)
ENDS = int(grant().ends)


def added(lead: Lead | None, **more: object) -> list[str]:
    """Each line about a rule, without what all of them have."""
    voice = Voice(LogChains(output="FWKNOP_OUTPUT"))
    event = Judged(packet(), NOW.wall, (), request(), grant(lead=lead, services=WEB, **more))
    told = [text for priority, text in voice(event) if priority < 7 and text.startswith("Added")]
    tail = f", expires at {ENDS}"
    assert all(each.endswith(tail) for each in told)
    return [each.removeprefix("Added ").removesuffix(tail) for each in told]


@pytest.mark.requirement("9.6", partial=True)
@pytest.mark.parametrize(
    ("lead", "lines"),
    [
        (None, ["access rule to FWKNOP_INPUT", "OUTPUT rule to FWKNOP_OUTPUT"]),
        (Lead(INSIDE, 80), ["FORWARD rule to FWKNOP_FORWARD", "DNAT rule to FWKNOP_PREROUTING"]),
        (Lead(INSIDE, 80, source=SourceNat()), [
            "FORWARD rule to FWKNOP_FORWARD", "DNAT rule to FWKNOP_PREROUTING",
            "SNAT rule to FWKNOP_MASQUERADE",
        ]),
        (Lead(INSIDE, 80, source=SourceNat(INSIDE)), [
            "FORWARD rule to FWKNOP_FORWARD", "DNAT rule to FWKNOP_PREROUTING",
            "SNAT rule to FWKNOP_POSTROUTING",
        ]),
        (Lead(None, 80), ["local NAT rule to FWKNOP_INPUT", "DNAT rule to FWKNOP_PREROUTING"]),
    ],
)  # fmt: skip
def test_a_grant_that_leads_on_is_told_rule_by_rule(lead: Lead | None, lines: list[str]) -> None:
    where = " for 192.0.2.7 -> 0.0.0.0/0 tcp/8080"
    assert added(lead) == [f"{each}{where}" for each in lines]
    here = ip_address("203.0.113.1")
    assert added(lead, destination=here)[0].endswith("-> 203.0.113.1 tcp/8080")


@pytest.mark.parametrize(
    ("lead", "lines"),
    [
        (Lead(None, 0, everything=True), ["FORWARD ALL rule to FWKNOP_FORWARD"]),
        (Lead(None, 0, everything=True, source=SourceNat()), [
            "FORWARD ALL rule to FWKNOP_FORWARD", "SNAT ALL rule to FWKNOP_MASQUERADE",
        ]),
        (Lead(INSIDE, 0, everything=True, source=SourceNat(INSIDE)), [
            "FORWARD ALL rule to FWKNOP_FORWARD", "DNAT ALL rule to FWKNOP_PREROUTING",
            "SNAT ALL rule to FWKNOP_POSTROUTING",
        ]),
    ],
)  # fmt: skip
def test_everything_is_told_as_such(lead: Lead, lines: list[str]) -> None:
    assert added(lead) == [f"{each} for 192.0.2.7 -> 0.0.0.0/0 */*" for each in lines]


def test_the_chains_of_the_file_are_named() -> None:
    text = (
        "ENABLE_IPT_OUTPUT Y\nNFT_OUTPUT_FROM inet f o\n"
        "IPT_DNAT_ACCESS DNAT, nat, PREROUTING, 1, MY_DNAT, 1\n"
    )
    chains = configure(text).settings.log.chains
    assert (chains.dnat, chains.output) == ("MY_DNAT", "FWKNOP_OUTPUT")
    assert configure("").settings.log.chains.output == ""


def test_its_end_is_told_for_each_chain() -> None:
    led = grant(lead=Lead(INSIDE, 80), services=WEB)
    told = [text for p, text in Voice()(GrantEnded(led, Ending.EXPIRED, NOW.wall)) if p < 7]
    assert told == [
        f"Removed rule 1 from {chain} with expire time of {ENDS}"
        for chain in ("FWKNOP_FORWARD", "FWKNOP_PREROUTING")
    ]


def test_the_old_style_says_it_in_the_old_way() -> None:
    event = Judged(packet(), NOW.wall, (), request(), grant(lead=Lead(INSIDE, 80), services=WEB))
    told = [text for p, text in Voice(style=LogStyle.OLD)(event) if p < 7]
    assert f"Added DNAT Rule to FWKNOP_PREROUTING for 192.0.2.7, tcp/8080 expires at {ENDS}" in told


def test_the_structured_line_says_where_it_leads() -> None:
    led = grant(lead=Lead(INSIDE, 80, source=SourceNat()), services=WEB)
    fields = fields_of(Judged(packet(), NOW.wall, (), request(), led))
    assert fields["leads_to"] == "10.0.0.5:80 as masquerade"
    for local, named in ((False, "db.example:22"), (True, "here:22")):
        wanted = replace(request(), wish=ForwardWish(WEB, "db.example", 22, local))
        refusal = Refusal(Reason.NAT_TARGET_NOT_ALLOWED, (1,))
        refused = fields_of(Judged(packet(), NOW.wall, (refusal,), wanted))
        assert refused["leads_to"] == named
        assert refused["reason"] == "nat-target-not-allowed"
    assert "leads_to" not in fields_of(Judged(packet(), NOW.wall, (), request(), grant()))
