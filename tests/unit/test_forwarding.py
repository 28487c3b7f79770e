"""Whether this host passes packets on, and who is told that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fwknopd_files import configure, stanza
from watchword.edges import forwarding
from watchword.errors import HostError
from watchword.service.daemon import leading

ON = "ENABLE_IPT_FORWARDING Y\n"


def said(lines: str, *versions: int, config: str = ON) -> list[str]:
    """What is said on a host that passes packets of these IP versions on."""
    policy = configure(config, stanza(lines)).policy
    return [str(each) for each in leading.doubts(policy, lambda version: version in versions)]


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("NAT_TARGETS 10.0.0.5", ["net.ipv4.ip_forward"]),
        ("NAT_TARGETS 10.0.0.5, fd00::5", ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]),
        ("FORCE_NAT fd00::5 80", ["net.ipv6.conf.all.forwarding"]),
        ("FORWARD_ALL Y\nDISABLE_DNAT Y", ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]),
        ("NAT_TARGETS local:6543", []),
        ("NAT_TARGETS 10.0.0.5\nENABLE_FORWARD_ACCESS N", []),
    ],
)
def test_who_wants_others_to_be_led_on_is_told_what_the_kernel_lacks(
    lines: str, names: list[str]
) -> None:
    told = said(lines)
    assert [each.split()[1] for each in told] == names
    assert all(each.startswith("access.conf:1: ") and "sysctl -w" in each for each in told)
    assert said(lines, 4, 6) == []


def test_nothing_is_said_where_nobody_is_led_on() -> None:
    assert said("NAT_TARGETS 10.0.0.5", config="") == []
    assert said("NAT_TARGETS 10.0.0.5", config="ENABLE_IPT_LOCAL_NAT Y\n") == []


def test_the_kernel_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "net/ipv4/ip_forward"
    file.parent.mkdir(parents=True)
    for text, on in (("0\n", False), ("1\n", True)):
        file.write_text(text)
        assert forwarding.is_on(4, tmp_path) is on
    assert forwarding.is_on(6, tmp_path), "without IPv6 there is nothing to turn on"
    file.unlink()
    file.mkdir()
    with pytest.raises(HostError):
        forwarding.is_on(4, tmp_path)
