"""RESTRICT_INTF: a stanza is for packets that are seen on certain interfaces."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import STANZA
from tests.sealing import sealed
from tests.values import KEY, MAC_KEY, NOW, credential, packet, policy, terms
from watchword.dialects.fwknop.explain_words import terms_in_words
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.errors import OperatorError
from watchword.model.outcomes import Refusal
from watchword.model.reasons import Reason
from watchword.model.requests import Request
from watchword.recognise.spa import SpaRecogniser

SNIFFED = "PCAP_INTF eth0,eth1;\n"


def loaded(server: str, stanza: str) -> Configuration:
    files = {"f": server, "a": STANZA + stanza}
    return load(Sources.of(files), parse(["-c", "f", "-a", "a"]))


def test_the_interfaces_are_a_list_and_are_told_in_words() -> None:
    [found] = loaded(SNIFFED, "RESTRICT_INTF eth1, eth0\n").policy.stanzas
    assert found.interfaces == {"eth0", "eth1"}
    assert "packets from anywhere seen on eth0 or eth1" in list(terms_in_words(found))
    [found] = loaded(SNIFFED, "").policy.stanzas
    assert found.interfaces == frozenset()


@pytest.mark.parametrize(
    ("server", "value", "told"),
    [
        ("ENABLE_UDP_SERVER Y;\n", "eth0", "counts for packets that are sniffed"),
        ("ENABLE_TCP_SERVER Y;\n", "eth0", "counts for packets that are sniffed"),
        ("PCAP_FILE /f;\n", "eth0", "counts for packets that are sniffed"),
        (SNIFFED, "eth0,,eth1", "cannot be the name of an interface"),
        (SNIFFED, "a name of more than fifteen", "cannot be the name of an interface"),
    ],
)
def test_where_nobody_can_tell_the_interface_the_start_is_refused(
    server: str, value: str, told: str
) -> None:
    with pytest.raises(OperatorError) as caught:
        loaded(server, f"RESTRICT_INTF {value}\n")
    assert any(told in each.message for each in caught.value.complaints)


def test_a_packet_counts_on_the_interfaces_of_its_stanza_only() -> None:
    inside = terms(1, interfaces=frozenset({"eth1"}), credential=credential())
    anywhere = terms(2, credential=credential(KEY, MAC_KEY))
    payload = sealed()

    def found(interface: str, *stanzas: object) -> object:
        seen = packet(payload)._replace(interface=interface)
        recogniser = SpaRecogniser(policy(*stanzas))  # type: ignore[arg-type]
        first, *_ = recogniser.observe(seen, NOW)
        return first.stanza if isinstance(first, Request) else first

    assert found("eth1", inside) == 1
    assert found("eth0", inside) == Refusal(Reason.NO_STANZA)
    assert found("", inside) == Refusal(Reason.NO_STANZA)
    assert found("eth0", inside, anywhere) == 2
    assert found("eth1", inside, anywhere) == 1
