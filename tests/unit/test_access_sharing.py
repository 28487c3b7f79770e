"""Keywords of access.conf against sharing an address: what they say, and what they may not."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import STANZA, configure, fatal, remarks
from watchword.dialects.fwknop.explain_words import terms_in_words
from watchword.errors import OperatorError
from watchword.model.openings import Feature, Lease
from watchword.model.policy import Policy
from watchword.model.sharing import SharingTerms
from watchword.service.daemon.assembly import fitted


def read(lines: str, config: str = "") -> SharingTerms:
    [found] = configure(config or "GUARD_SERVICES ALL", STANZA + lines).policy.stanzas
    return found.sharing


def test_a_stanza_that_says_nothing_of_it_is_as_with_fwknop() -> None:
    assert read("") == SharingTerms()
    assert not SharingTerms().features


def test_each_line_says_what_it_says() -> None:
    assert read("COUNT_CONNECTIONS Y").connections == 1
    assert read("COUNT_CONNECTIONS N").connections is None
    assert read("MAX_CONNECTIONS 5").connections == 5
    assert read("COUNT_CONNECTIONS Y\nMAX_CONNECTIONS 16").connections == 16
    assert read("DOOR_TIMEOUT 3").door_seconds == 3
    assert read("EXCLUSIVE_LEASE Queue\nMAX_LEASE_TIME 600").lease is Lease.QUEUE
    assert read("EXCLUSIVE_LEASE refuse\nMAX_LEASE_TIME 600").lease_seconds == 600
    assert read("EXCLUSIVE_LEASE N").lease is None
    assert read("MAX_IDENTITIES_PER_ADDRESS 3").identities == 3
    assert read("MAX_GRANTS_PER_ADDRESS 9").grants == 9
    secret = read("SECRET_PORTS 40000 - 59999")
    assert (secret.secret_ports, secret.grants) == ((40000, 59999), 64)
    assert read("SECRET_PORTS 40000-59999\nMAX_GRANTS_PER_ADDRESS 9").grants == 9


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("MAX_CONNECTIONS 0", "MAX_CONNECTIONS is '0'"),
        ("MAX_CONNECTIONS 17", "MAX_CONNECTIONS is '17'"),
        ("MAX_CONNECTIONS many", "MAX_CONNECTIONS is 'many'"),
        ("COUNT_CONNECTIONS N\nMAX_CONNECTIONS 2", "COUNT_CONNECTIONS is N"),
        ("COUNT_CONNECTIONS maybe", "COUNT_CONNECTIONS is 'maybe', neither Y nor N"),
        ("DOOR_TIMEOUT 0", "DOOR_TIMEOUT is '0'"),
        ("DOOR_TIMEOUT 301", "DOOR_TIMEOUT is '301'"),
        ("SECRET_PORTS 40000", "SECRET_PORTS is '40000'"),
        ("SECRET_PORTS 40000-40100", "SECRET_PORTS is '40000-40100'"),
        ("SECRET_PORTS 22-4000", "SECRET_PORTS is '22-4000'"),
        ("SECRET_PORTS 40000-70000", "SECRET_PORTS is '40000-70000'"),
        ("EXCLUSIVE_LEASE Y", "EXCLUSIVE_LEASE is 'Y', none of refuse, queue and tell"),
        ("MAX_LEASE_TIME never\nEXCLUSIVE_LEASE tell", "MAX_LEASE_TIME is 'never'"),
        ("MAX_GRANTS_PER_ADDRESS -1", "MAX_GRANTS_PER_ADDRESS is '-1'"),
        ("MAX_CONECTIONS 2", "MAX_CONECTIONS"),
        (
            "MAX_CONNECTIONS 2\nPREFIXES_IPV6 64",
            "MAX_CONNECTIONS cannot be: PREFIXES_IPV4 and PREFIXES_IPV6 let in whole networks",
        ),
        (
            "EXCLUSIVE_LEASE tell\nCMD_CYCLE_OPEN /bin/true $IP\nCMD_CYCLE_CLOSE NONE",
            "EXCLUSIVE_LEASE cannot be: commands open and close this stanza",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_line(lines: str, told: str) -> None:
    assert any(told in each for each in fatal("GUARD_SERVICES ALL", STANZA + lines))


def test_what_lets_everything_through_counts_nothing() -> None:
    config = "GUARD_SERVICES ALL\nENABLE_IPT_FORWARDING Y"
    lines = "FORWARD_ALL Y\nDISABLE_DNAT Y\nCOUNT_CONNECTIONS Y"
    [told] = fatal(config, STANZA + lines)
    assert "COUNT_CONNECTIONS cannot be: FORWARD_ALL" in told


def test_a_longest_lease_without_a_lease_is_remarked_on() -> None:
    said = remarks("GUARD_SERVICES ALL", STANZA + "MAX_LEASE_TIME 60")
    assert any("MAX_LEASE_TIME has no effect without EXCLUSIVE_LEASE" in each for each in said)


def test_a_lease_that_others_can_have_for_somebodys_address_is_remarked_on() -> None:
    told = "whoever has a key can hold the address of somebody else"

    def is_told(lines: str) -> bool:
        said = remarks("GUARD_SERVICES ALL", STANZA + lines)
        return any(told in each for each in said)

    assert is_told("EXCLUSIVE_LEASE refuse")
    assert is_told("EXCLUSIVE_LEASE queue")
    assert not is_told("EXCLUSIVE_LEASE tell")
    assert not is_told("EXCLUSIVE_LEASE refuse\nNAMED_ADDRESSES NONE")
    assert not is_told("EXCLUSIVE_LEASE refuse\nNAMED_ADDRESSES 10.0.0.0/8")


def test_the_firewall_is_set_up_for_what_the_stanzas_have() -> None:
    plain = configure("", STANZA).settings.firewall
    assert (plain.counts, plain.secret_ports, plain.at_once, plain.leads) == (False, (), 0, False)
    lines = "COUNT_CONNECTIONS Y\nSECRET_PORTS 40000-59999"
    found = configure("MAX_CONNECTIONS_PER_ADDRESS 9", STANZA + lines).settings.firewall
    assert (found.counts, found.secret_ports, found.at_once) == (True, ((40000, 59999),), 9)
    assert found.leads


def test_ranges_of_secret_ports_that_touch_are_one_for_the_firewall() -> None:
    lines = [f"SECRET_PORTS {each}\n" for each in ("40000-41000", "41001-42000", "50000-51000")]
    access = "\n".join(STANZA + each for each in lines)
    found = configure("GUARD_SERVICES ALL", access).settings.firewall
    assert found.secret_ports == ((40000, 42000), (50000, 51000))


@pytest.mark.parametrize(
    ("lines", "config", "needed", "words"),
    [
        ("COUNT_CONNECTIONS Y", "", Feature.COUNT, "a number of connections"),
        ("SECRET_PORTS 40000-59999", "", Feature.LOCAL_NAT, "another port of this host"),
        ("", "MAX_CONNECTIONS_PER_ADDRESS 5", Feature.AT_ONCE, "connections at once"),
    ],
)
def test_a_backend_that_cannot_do_it_is_refused_with_the_stanzas_line(
    lines: str, config: str, needed: Feature, words: str
) -> None:
    found: Policy = configure(f"GUARD_SERVICES ALL\n{config}", STANZA + lines).policy
    able = frozenset(Feature) - {needed}
    with pytest.raises(OperatorError, match=words) as refused:
        fitted(found, "iptables", able)
    assert [each.place for each in refused.value.complaints] == [found.stanzas[0].place]
    assert fitted(found, "nftables", frozenset(Feature))


def test_explain_says_each_of_them() -> None:
    lines = (
        "MAX_CONNECTIONS 2\nDOOR_TIMEOUT 4\nSECRET_PORTS 40000-59999\nEXCLUSIVE_LEASE queue\n"
        "MAX_IDENTITIES_PER_ADDRESS 3\nMAX_GRANTS_PER_ADDRESS 9"
    )
    [stanza] = configure("GUARD_SERVICES ALL", STANZA + lines).policy.stanzas
    said = "\n".join(terms_in_words(stanza))
    for words in (
        "a grant lets in 2 new connections and no more",
        "nobody new is let in 4 s after a packet",
        "each grant has a port of its own, from 40000 to 59999",
        "others wait, for up to 3600 s",
        "of an address, 3 may have grants",
        "for an address, there are 9 grants",
    ):
        assert words in said
