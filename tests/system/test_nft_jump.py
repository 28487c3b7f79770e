"""Attachment jump: openings in the operator's own, closed ruleset."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.system.nft_scene import (
    DNS,
    Line,
    add,
    firewall,
    guarding,
    in_server,
    jumping,
    listen,
    nft,
    opening,
    reaches,
    remove,
    standard_scene,
)
from watchword.errors import HostError
from watchword.lab.trio import Trio
from watchword.model.firewalls import Attach, FirewallSettings, JumpFrom
from watchword.model.openings import Feature, Opening
from watchword.service.daemon.assembly import way_of

pytestmark = pytest.mark.system

CLOSED = """
add table inet filter
add chain inet filter input { type filter hook input priority 0; policy drop; }
add rule inet filter input iif lo accept
add rule inet filter input ct state established,related accept
add rule inet filter input icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
add rule inet filter input tcp dport 23 accept comment "watchword"
"""
RICH = f"""{CLOSED}
add table inet nearby {{ comment "not ours"; }}
add set inet nearby friends {{ type ipv4_addr; flags interval, timeout; }}
add element inet nearby friends {{ 10.0.0.0/8, 192.0.2.0/24 }}
add map inet nearby doors {{ type inet_service : verdict; }}
add element inet nearby doors {{ 80 : accept, 443 : accept }}
add chain inet nearby early {{ type filter hook prerouting priority -300; policy accept; }}
add rule inet nearby early ip saddr @friends counter comment "friends"
add rule inet nearby early tcp dport vmap @doors
add counter inet nearby seen
add quota inet nearby much {{ over 25 mbytes }}
add table ip nat
add chain ip nat post {{ type nat hook postrouting priority 100; policy accept; }}
add rule ip nat post oifname "nowhere0" masquerade
add table arp watch
add chain arp watch input {{ type filter hook input priority 0; policy accept; }}
"""


@pytest.fixture(scope="module")
def network() -> Iterator[Trio]:
    with standard_scene() as network:
        yield network


@pytest.fixture
def scene(network: Trio) -> Iterator[Trio]:
    with in_server(network):
        yield network


@pytest.mark.requirement("8.2")
@pytest.mark.parametrize("version", [4, 6])
def test_a_closed_ruleset_opens_for_the_caller_and_closes_again(scene: Trio, version: int) -> None:
    server, caller = (
        (scene.server.four, scene.caller.four)
        if version == 4
        else (scene.server.six, scene.caller.six)
    )
    nft(script=CLOSED)
    with firewall(jumping("inet filter input")) as jump, listen("::") as listener:
        jump.prepare()
        assert not reaches(scene.caller, server)
        hole = opening(caller)
        jump.apply(add(hole))
        line = Line(listener, scene.caller.host, server)
        assert not reaches(scene.stranger, server)
        jump.apply(remove(hole.tag))
        assert not reaches(scene.caller, server)
        line.up()
        line.down()
        line.close()
        jump.apply(add(opening(caller, to=server)))
        assert reaches(scene.caller, server, seconds=30.0)


def test_our_pieces_stand_where_the_operator_said_and_are_readable(scene: Trio) -> None:
    nft(script=CLOSED)
    with firewall(jumping("inet filter input")) as jump:
        jump.prepare()
        jump.prepare()
        chain = nft("list", "chain", "inet", "filter", "input").splitlines()
        assert chain[3].strip() == 'jump watchword comment "watchword"'
        assert sum("jump watchword" in line for line in chain) == 1
        hole = opening(scene.caller.four)
        jump.apply(add(hole))
        assert f"ww:{hole.tag}" in nft("list", "map", "inet", "filter", "watchword_open4")


@pytest.mark.parametrize(
    "settings",
    [guarding(), FirewallSettings(guard_all=True), jumping("inet filter input")],
    ids=["guard", "guard all", "jump"],
)
def test_a_rich_ruleset_of_others_is_the_same_byte_for_byte(
    scene: Trio, settings: FirewallSettings
) -> None:
    nft(script=RICH)
    before = nft("list", "ruleset")
    with firewall(settings) as backend:
        for step in (
            backend.probe,
            backend.prepare,
            lambda: backend.apply(add(*some_openings(scene))),
            backend.prepare,
        ):
            step()
            assert without_ours(nft("list", "ruleset")) == before
        backend.apply(remove(*backend.installed()))
        assert without_ours(nft("list", "ruleset")) == before
        backend.teardown()
    assert nft("list", "ruleset") == before


def some_openings(scene: Trio) -> list[Opening]:
    return [opening(scene.caller.four), opening(scene.caller.six, DNS)]


def without_ours(ruleset: str) -> str:
    """The listing without our table, maps, chain and jump."""
    return "".join(
        table_without_ours(table)
        for table in re.split(r"(?<=^}\n)", ruleset, flags=re.MULTILINE)
        if not table.startswith("table inet watchword {")
    )


def table_without_ours(table: str) -> str:
    head, newline, body = table.partition("\n")
    paragraphs = [
        each.strip("\n")
        for each in body.removesuffix("}\n").split("\n\n")
        if not each.startswith(("\tmap watchword", "\tchain watchword"))
    ]
    kept = "\n\n".join(paragraphs).replace('\t\tjump watchword comment "watchword"\n', "")
    return f"{head}{newline}{kept}\n}}\n" if body else table


@pytest.mark.parametrize(
    "places",
    [
        ["inet filter input"],
        ["inet nowhere input"],
        ["inet filter nowhere"],
        ["ip filter input"],
        [],
    ],
)
def test_a_chain_that_is_not_there_is_told_with_a_remedy(scene: Trio, places: list[str]) -> None:
    with firewall(jumping(*places)) as jump:
        for use in (jump.probe, jump.prepare):
            with pytest.raises(HostError) as refused:
                use()
            assert "NFT_JUMP_FROM" in refused.value.hint
    assert nft("list", "ruleset") == ""


@pytest.mark.parametrize(
    ("family", "can", "lets_in", "refuses"),
    [
        ("ip", Feature.IPV4, "192.0.2.9", "2001:db8::9"),
        ("ip6", Feature.IPV6, "2001:db8::9", "192.0.2.9"),
    ],
)
def test_a_table_of_one_family_lets_only_that_in_and_says_so(
    scene: Trio, family: str, can: Feature, lets_in: str, refuses: str
) -> None:
    nft(
        script=f"add table {family} filter\nadd chain {family} filter input "
        "{ type filter hook input priority 0; policy accept; }\n"
    )
    with firewall(jumping(f"{family} filter input")) as jump:
        assert jump.probe() & {Feature.IPV4, Feature.IPV6} == {can}
        jump.prepare()
        hole = opening(lets_in)
        jump.apply(add(hole))
        with pytest.raises(HostError):
            jump.apply(add(opening("192.0.2.10"), opening("2001:db8::10")))
        with pytest.raises(HostError):
            jump.apply(add(opening(refuses)))
        assert jump.installed() == {hole.tag}


def test_an_opening_that_only_one_of_two_tables_still_has_counts_as_gone(scene: Trio) -> None:
    nft(
        script="add table inet one\n"
        "add chain inet one input { type filter hook input priority 0; }\n"
        "add table ip two\nadd chain ip two input { type filter hook input priority 1; }\n"
    )
    with firewall(jumping("inet one input", "ip two input")) as jump:
        jump.prepare()
        four, six = opening("192.0.2.9"), opening("2001:db8::9")
        jump.apply(add(four, six))
        nft("flush", "map", "ip", "two", "watchword_open4")
        assert not jump.intact()
        assert jump.installed() == {six.tag}
        jump.prepare()
        jump.apply(add(four))
        assert jump.installed() == {four.tag, six.tag}


@pytest.mark.parametrize(
    "damage",
    [
        "flush chain inet filter input\n",
        "flush chain inet filter watchword\n",
        "flush chain inet filter input\nflush chain inet filter watchword\n"
        "delete chain inet filter watchword\ndelete map inet filter watchword_open4\n",
        "flush chain inet filter watchword\ndelete map inet filter watchword_open4\n"
        "add set inet filter watchword_open4 { type ipv4_addr; }\n",
    ],
)
def test_pieces_that_other_hands_removed_are_put_back(scene: Trio, damage: str) -> None:
    nft(script=CLOSED)
    with firewall(jumping("inet filter input")) as jump, listen("::"):
        jump.prepare()
        hole = opening(scene.caller.four)
        jump.apply(add(hole))
        nft(script=damage)
        assert not jump.intact()
        jump.prepare()
        if hole.tag not in jump.installed():
            jump.apply(add(hole))
        assert jump.intact()
        nft("add", "rule", "inet", "filter", "input", "ct state established accept")
        assert reaches(scene.caller, scene.server.four, seconds=30.0)


class TestTablesOfIptables:
    """iptables-nft looks after a table, and must go on doing so."""

    @pytest.fixture
    def server(self, scene: Trio) -> Trio:
        for program in ("iptables-nft", "ip6tables-nft"):
            for rule in ("-P INPUT DROP", "-A INPUT -m state --state ESTABLISHED -j ACCEPT"):
                scene.server.host.run(program, *rule.split())
        scene.server.host.run("ip6tables-nft", "-A", "INPUT", "-p", "icmpv6", "-j", "ACCEPT")
        return scene

    places = ("ip filter INPUT", "ip6 filter INPUT")

    @pytest.mark.peer("iptables-nft")
    def test_it_opens_and_iptables_still_reads_and_changes_the_table(self, server: Trio) -> None:
        host = server.server.host
        with firewall(jumping(*self.places)) as jump, listen("::"):
            jump.prepare()
            assert not reaches(server.caller, server.server.four)
            jump.apply(add(opening(server.caller.four), opening(server.caller.six)))
            assert reaches(server.caller, server.server.four, seconds=30.0)
            assert reaches(server.caller, server.server.six, seconds=30.0)
            assert not reaches(server.stranger, server.server.four)
            host.run("iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "80", "-j", "ACCEPT")
            assert (
                "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
                in host.run("iptables-nft", "-S").stdout
            )
            assert jump.intact()

    @pytest.mark.peer("iptables-nft")
    def test_saving_and_restoring_lets_nobody_in_and_is_healed(self, server: Trio) -> None:
        host = server.server.host
        with firewall(jumping("ip filter INPUT")) as jump, listen("::"):
            jump.prepare()
            hole = opening(server.caller.four)
            jump.apply(add(hole))
            saved = host.run("iptables-nft-save").stdout
            host.run("iptables-nft-restore", input=saved)
            assert not reaches(server.caller, server.server.four)
            assert not reaches(server.stranger, server.server.four)
            assert not jump.intact()
            jump.prepare()
            jump.apply(add(hole))
            assert reaches(server.caller, server.server.four, seconds=30.0)
            assert not reaches(server.stranger, server.server.four)
            jump.teardown()
            assert "watchword" not in nft("list", "ruleset")


def test_the_operators_own_rule_with_our_word_in_its_comment_stays(scene: Trio) -> None:
    nft(script=CLOSED)
    with firewall(jumping("inet filter input")) as jump:
        jump.prepare()
        jump.teardown()
    assert 'tcp dport 23 accept comment "watchword"' in nft("list", "ruleset")


def test_the_way_it_hangs_is_said() -> None:
    settings = jumping("inet filter input", "inet filter forward")
    assert settings.attach is Attach.JUMP
    assert way_of(settings) == "jump from inet filter input, inet filter forward"
    assert way_of(guarding()) == "guard inet watchword"


ROUTERS = """
add table inet first
add chain inet first input { type filter hook input priority 0; policy drop; }
add chain inet first forward { type filter hook forward priority 0; policy drop; }
add table ip second
add chain ip second input { type filter hook input priority 5; policy accept; }
add chain ip second watchword
add rule ip second watchword counter comment "the operator's own"
add rule ip second input jump watchword comment "the operator's own"
"""


def test_calls_from_chains_that_the_settings_name_no_longer_are_taken_out(scene: Trio) -> None:
    nft(script=ROUTERS)
    before = nft("list", "ruleset")
    forward = (JumpFrom("inet", "first", "forward"),)
    wide = replace(
        jumping("inet first input"), leads=True, forward_from=forward, output_from=forward
    )
    with firewall(wide) as backend:
        backend.prepare()
        backend.apply(add(opening(scene.caller.four)))
    with firewall(replace(wide, forward_from=(), output_from=())) as backend:
        backend.prepare()
        ruleset = nft("list", "ruleset")
        assert "jump watchword_forward" not in ruleset
        assert "chain watchword_forward" not in ruleset
        assert "chain watchword_output" not in ruleset
        assert "jump watchword comment" in ruleset
        assert len(backend.installed()) == 1, "who has a grant goes on"
    with firewall(guarding()) as backend:
        backend.prepare()
        ruleset = nft("list", "ruleset")
        assert "watchword_" not in ruleset
        assert ruleset.count("jump watchword") == 1, "and that is the operator's own"
        backend.teardown()
    assert nft("list", "ruleset") == before


def test_maps_for_answers_alone_go_when_they_are_for_everybody_or_nobody(scene: Trio) -> None:
    nft(script=ROUTERS)
    plain = jumping("inet first input")
    output = (JumpFrom("inet", "first", "forward"),)
    apart = replace(plain, output_from=output, answers_apart=True)
    there = opening(scene.caller.four)
    out = Opening(there.hole._replace(answers=True), there.until)
    for later in (plain, replace(plain, output_from=output)):
        with firewall(apart) as backend:
            backend.prepare()
            backend.apply(add(there, out))
            assert "watchword_answers4" in nft("list", "ruleset")
        with firewall(apart) as backend:  # of a later run
            backend.prepare()
            assert backend.installed() == {there.tag, out.tag}
        with firewall(later) as backend:
            backend.prepare()
            assert "watchword_answers" not in nft("list", "ruleset")
            assert backend.installed() == {there.tag}
            backend.teardown()


def test_calls_of_another_server_are_no_leftovers(scene: Trio) -> None:
    nft(script=ROUTERS)
    ready, told = os.pipe()
    pid = os.fork()
    if not pid:
        with firewall(jumping("inet first input")) as theirs:
            theirs.prepare()
            os.write(told, b"!")
            signal.pause()
    assert os.read(ready, 1) == b"!"
    try:
        with firewall(guarding()) as backend:
            backend.prepare()
            assert 'jump watchword comment "watchword"' in nft("list", "ruleset")
            backend.teardown()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(told)
