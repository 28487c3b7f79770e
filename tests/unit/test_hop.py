"""What is sent from another host, by whatever that host has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from watchword.edges.hop import Hop
from watchword.errors import HostError, OperatorError
from watchword.model.routes import Carrier, Route

PACKET = b"8" * 200


def host_with(folder: Path, *programs: str) -> Path:
    """An ssh that runs the command on a machine with these programs; the program's path."""
    there = folder / "there"
    there.mkdir()
    for each in ("sh", *programs):
        found = shutil.which(each)
        assert found
        (there / each).symlink_to(found)
    nc = there / "nc"
    if "cat" in programs:  # something to make one of
        nc.write_text(f'#!/bin/sh\necho "$@" >{folder}/asked\nexec cat >{folder}/sent\n')
        nc.chmod(0o755)
    ssh = folder / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nfor last; do :; done\necho "$@" >{folder}/ssh-asked\n'
        f'PATH={there} exec /bin/sh -c "$last"\n'
    )
    ssh.chmod(0o755)
    return ssh


def test_where_there_is_no_bash_nc_sends_the_packet(tmp_path: Path) -> None:
    hop = Hop("there", str(host_with(tmp_path, "cat")))
    sent = hop.carry(PACKET, Route(Carrier.UDP, "inner.example", 62201))
    assert (tmp_path / "sent").read_bytes() == PACKET
    assert (tmp_path / "asked").read_text() == "-u -w 1 inner.example 62201\n"
    assert PACKET.decode() not in (tmp_path / "ssh-asked").read_text()
    assert sent.octets == len(PACKET)


def test_where_there_is_neither_that_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hop = Hop("there", str(host_with(tmp_path)))
    with pytest.raises(HostError, match="could not be sent through there"):
        hop.carry(PACKET, Route(Carrier.UDP, "inner.example", 62201))
    assert "neither bash nor nc" in capfd.readouterr().err


@pytest.mark.parametrize(
    "host", ["", "-oProxyCommand=x", "a b", "a;b", "$(b)", "`b`", "a'b", 'a"b', "a\nb", "a/b", "%h"]
)
def test_what_is_no_host_never_reaches_a_shell(tmp_path: Path, host: str) -> None:
    hop = Hop("there", str(host_with(tmp_path, "cat")))
    with pytest.raises(OperatorError):
        hop.carry(PACKET, Route(Carrier.UDP, host, 62201))
    with pytest.raises(OperatorError):
        hop.onwards(host, 22)
    assert not (tmp_path / "ssh-asked").exists()


@pytest.mark.parametrize(("name", "ssh"), [("", "ssh"), ("-x", "ssh"), ("x", ""), ("x", "'")])
def test_what_is_no_way_to_a_hop_is_refused(name: str, ssh: str) -> None:
    with pytest.raises(OperatorError):
        Hop(name, ssh)


def test_an_address_is_written_as_ssh_wants_it() -> None:
    hop = Hop("there", "ssh -p 2222")
    assert list(hop.onwards("2001:db8::1", 22)) == [
        "ssh", "-p", "2222", "-W", "[2001:db8::1]:22", "--", "there",
    ]  # fmt: skip
    assert "10.0.0.1:22" in hop.onwards("10.0.0.1", 22)
