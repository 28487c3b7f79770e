"""Command lines of fwknopd 1.9."""

from __future__ import annotations

import pytest

from watchword.dialects.fwknop.server_options import parse
from watchword.errors import OperatorError


@pytest.mark.requirement("7.9", partial=True)
@pytest.mark.requirement("7.11", partial=True)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--config f --access-conf a --intf eth1", "-c f -a a -i eth1"),
        ("--Override-config a,b --Dump-config", "-O a,b -D"),
        ("--Override-config=a,b --intf=eth1", "-O a,b -i eth1"),
        ("--Count 3", "-C 3"),
        ("--Kill", "-K"),
        ("--Restart", "-R"),
        ("--Status", "-S"),
        ("--Version", "-V"),
        ("--debug", "-f -v"),
        ("--Test-mode -v", "-t -v"),
        ("--fw-flush --fw-del-chains", "--fw-flush"),
        ("--Linux-cooked-intf --no-locale --Include-all-config -D", "-D"),
        ("--Lib-dir /lib --gpg-agent-info /tmp/S:1:1 -f", "-f"),
        ("--FW-list", "--fw-list"),
        ("--fw-type iptables --fw-list", "--fw-list"),
        ("--fw-type=iptables -f", "-f"),
        ("--Fw-del-ip 192.0.2.7", "--fw-del-ip 192.0.2.7"),
    ],
)
def test_a_command_line_of_1_9_means_what_it_meant(old: str, new: str) -> None:
    assert parse(old.split()) == parse(new.split())


@pytest.mark.parametrize(
    ("old", "remedy"),
    [
        ("--spa-dump-packets x", "watchword explain"),
        ("--fw-type ipfw", "FIREWALL_BACKEND"),
        ("--no-gpg", "GPG_"),
    ],
)
def test_what_has_no_counterpart_is_refused_with_a_remedy(old: str, remedy: str) -> None:
    with pytest.raises(OperatorError, match="is not available") as raised:
        parse(old.split())
    assert remedy in str(raised.value.complaints[0])


def test_the_options_of_2_6_and_their_abbreviations_stay_as_they_are() -> None:
    assert parse(["--access-fi", "x"]).access_file == "x"
    assert parse(["-d", "x"]).digest_file == "x"
