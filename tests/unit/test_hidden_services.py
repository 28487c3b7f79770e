"""Who counts as having slipped past rules of the operator's, and how he says what those hide."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from tests.fwknopd_files import STANZA, configure, fatal, remarks
from watchword.dialects.fwknop.voice import lines
from watchword.edges.clock import FakeClock
from watchword.edges.firewall import slipped
from watchword.edges.firewall.nft.arrivals import Arrivals
from watchword.edges.firewall.nft.connections import Connection, Sockets
from watchword.edges.firewall.nft.hidden import Hidden
from watchword.edges.firewall.nft.known import MOST_ENDED
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.slipped import Slipped
from watchword.errors import OperatorError
from watchword.model.daemon_events import SlippedIn
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Feature, Hole, Lead
from watchword.model.services import Service
from watchword.service.daemon.assembly import check_hidden

SSH, WEB, HIGH = (Service.parse(each) for each in ("tcp/22", "tcp/80", "tcp/40000"))
HERE = ip_address("203.0.113.1")
OWN = frozenset({HERE, ip_address("10.0.0.1")})
ON = "FIREWALL_BACKEND iptables\n"
SETTINGS = FirewallSettings(hidden=(SSH,), guarded=(WEB,), guard_all=True)


def line(
    remote: str = "192.0.2.7", port: int = 4000, service: Service = SSH, local: str = str(HERE)
) -> Connection:
    return Connection(ip_address(remote), port, ip_address(local), service)


def arrived(
    *connections: Connection,
    led: dict[Connection, Connection] | None = None,
    transit: frozenset[Connection] = frozenset(),
) -> Arrivals:
    return Arrivals(Sockets(frozenset(connections), frozenset({SSH, WEB})), led or {}, transit)


@pytest.mark.parametrize(
    "nobody",
    [
        line("10.1.2.3"),
        line("2001:db8::7"),
        line(str(HERE)),
        line("10.0.0.1"),
        line(service=HIGH),
    ],
    ids=["exception", "exception by IPv6", "this host", "its other address", "it began"],
)
def test_exceptions_this_host_and_what_it_began_are_not_in_question(nobody: Connection) -> None:
    excepted = (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))
    memory = Hidden(replace(SETTINGS, hidden=(SSH, HIGH), hidden_except=excepted))
    assert memory.in_question(arrived(line(), nobody), OWN) == {line()}


def test_what_is_led_on_is_in_question_if_it_came_to_this_host_and_so_is_what_passes() -> None:
    came, other = line(service=HIGH), line(service=HIGH, local="198.51.100.9")
    inside = line(local="10.0.0.5")
    passes = line(local="10.0.0.6")
    found = arrived(led={came: inside, other: inside}, transit=frozenset({passes}))
    assert Hidden(SETTINGS).in_question(found, OWN) == {came, passes}
    looped = line("127.0.0.2", service=HIGH)
    assert Hidden(SETTINGS).in_question(arrived(led={looped: inside}), OWN) == set()


def judged(memory: Hidden, *asked: Connection, holes: tuple[Hole, ...] = ()) -> set[Connection]:
    _, slipped = memory.judge(Sockets(frozenset(asked), frozenset()), frozenset(), set(holes))
    return set(slipped)


def test_only_what_the_operator_hides_is_judged_whatever_the_guard_would_hide() -> None:
    assert judged(Hidden(SETTINGS), line(), line(service=WEB), line(service=HIGH)) == {line()}


def test_a_connection_counts_by_how_it_looks_behind_a_translation_as_well() -> None:
    memory, outside, inside = Hidden(SETTINGS), line(service=HIGH), line(local="10.0.0.5")
    memory.behind = {outside: inside}
    assert judged(memory, outside) == {outside}
    for let_in in (
        Hole(outside.remote, SSH),
        Hole(outside.remote, SSH, inside.local),
        Hole(outside.remote, HIGH, lead=Lead(inside.local, 22)).door,
        Hole(outside.remote, None),
    ):
        assert judged(memory, outside, holes=(let_in,)) == set()
        assert judged(memory, line("192.0.2.8"), holes=(let_in,)) == {line("192.0.2.8")}
    memory.listed([outside])
    assert judged(memory, outside) == set()


def test_who_came_by_an_opening_that_ended_stays_and_nobody_else_comes_onto_the_list() -> None:
    memory = Hidden(SETTINGS)
    memory.listed([line(port=1)])
    memory.ended([Hole(ip_address("192.0.2.7"), SSH)])
    stranger = line("192.0.2.9")
    mine, slipped = memory.judge(
        Sockets(frozenset({line(port=1), line(), stranger}), frozenset()), frozenset(), set()
    )
    assert (set(mine), set(slipped)) == ({line(port=1), line()}, {stranger})
    memory.listed(mine)
    assert judged(memory, line(port=1), line(), stranger, line(port=2)) == {stranger, line(port=2)}


@pytest.mark.parametrize(
    "backend",
    [
        "FIREWALL_BACKEND iptables",
        "FIREWALL_BACKEND ipset",
        "FIREWALL_BACKEND firewalld",
        "FIREWALL_ATTACH mark",
        "FIREWALL_ATTACH jump\nNFT_JUMP_FROM inet filter input",
    ],
)
def test_the_operator_says_what_his_rules_hide_and_whom_they_let_in(backend: str) -> None:
    text = (
        f"{backend}\nHIDDEN_SERVICES tcp/443, tcp/22;\n"
        "HIDDEN_EXCEPT 10.0.0.0/8, 2001:db8::/32;\nHIDDEN_BEHIND 10.0.5.0/24;\n"
    )
    firewall = configure(text).settings.firewall
    assert [str(each) for each in firewall.hidden] == ["tcp/22", "tcp/443"]
    assert firewall.hidden_except == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert firewall.hidden_behind == (ip_network("10.0.5.0/24"),)
    assert not [each for each in remarks(text) if "HIDDEN" in each]
    assert configure(f"{backend}\n").settings.firewall.hidden == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("GUARD_SERVICES ALL\nHIDDEN_SERVICES tcp/22", "HIDDEN_SERVICES has no effect with the"),
        ("FIREWALL_BACKEND pf\nHIDDEN_SERVICES tcp/22", "no effect with FIREWALL_BACKEND pf"),
        (f"{ON}HIDDEN_EXCEPT 10.0.0.0/8", "HIDDEN_EXCEPT has no effect without HIDDEN_SERVICES"),
        (f"{ON}HIDDEN_BEHIND 10.0.0.0/8", "HIDDEN_BEHIND has no effect without HIDDEN_SERVICES"),
    ],
)
def test_what_can_have_no_effect_is_remarked_on(text: str, told: str) -> None:
    assert any(told in each for each in remarks(f"{text}\n"))
    assert configure(f"{text}\n").settings.firewall.hidden == ()


def test_it_is_remarked_on_that_nobody_knows_whom_commands_let_in() -> None:
    opens = (
        f"{STANZA}CMD_CYCLE_OPEN /bin/true $IP\nCMD_CYCLE_CLOSE /bin/true $IP\nCMD_CYCLE_TIMER 9\n"
    )
    told = "HIDDEN_SERVICES knows nothing of whom commands let in"
    hides = f"{ON}HIDDEN_SERVICES tcp/22\n"
    assert any(told in each for each in remarks(hides, opens))
    assert not any(told in each for each in remarks(hides, STANZA))
    assert not any(told in each for each in remarks(ON, opens))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("HIDDEN_SERVICES ssh", "HIDDEN_SERVICES is no list of services"),
        ("HIDDEN_SERVICES tcp/22, udp/62201", "the port that packets come to"),
        ("HIDDEN_SERVICES tcp/22\nHIDDEN_EXCEPT office", "HIDDEN_EXCEPT is no list of networks"),
        ("HIDDEN_SERVICES tcp/22\nHIDDEN_EXCEPT ANY", "HIDDEN_EXCEPT has ANY"),
        ("HIDDEN_SERVICES tcp/22\nHIDDEN_BEHIND ANY", "HIDDEN_BEHIND has ANY"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, told: str) -> None:
    assert told in "\n".join(fatal(f"{ON}ENABLE_UDP_SERVER Y\n{text}\n"))


def test_where_no_connection_can_be_ended_the_start_is_refused_with_a_remedy() -> None:
    check_hidden(FirewallSettings(), "ipset", frozenset())
    check_hidden(SETTINGS, "ipset", frozenset({Feature.SLIPPED}))
    with pytest.raises(OperatorError, match="cannot end connections here") as refused:
        check_hidden(SETTINGS, "ipset", frozenset(Feature) - {Feature.SLIPPED})
    assert "FIREWALL_ATTACH guard" in refused.value.complaints[0].hint


def test_the_log_names_whom_it_cut_off_and_no_more_than_a_few() -> None:
    told = [text for _, text in lines(SlippedIn((("192.0.2.7", SSH), ("192.0.2.7", SSH))))]
    assert told == [
        "Cut off 192.0.2.7 from tcp/22, 2 connections: "
        "who slipped in while other hands changed the firewall"
    ]
    many = tuple((f"192.0.2.{n}", SSH) for n in range(1, 101))
    told = [text for _, text in lines(SlippedIn(many))]
    assert len(told) == 9
    assert told[-1].startswith("Cut off 92 more connections: ")


class Host(Slipped):
    """Whose connections are what the test says; what would be ended is only told."""

    def __init__(self, *there: Connection) -> None:
        self.clock, self.cut, self.looks = FakeClock(), list[str](), 0
        super().__init__(SETTINGS, None, self.clock, self._tell)
        self.there = set(there)

    def _tell(self, event: SlippedIn) -> None:
        self.cut += [who for who, _ in event.connections]

    def _found(self, netlink: Netlink) -> tuple[Arrivals, frozenset[Connection]]:
        self.looks += 1
        found = arrived(*self.there)
        return found, self._known.in_question(found, OWN)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(slipped, "end", lambda *_: None)
    found = Host(line())
    found.stands(disturbed=False)
    return found


def test_whoever_is_there_at_first_stays_and_whoever_comes_unasked_is_cut_at_a_change(
    host: Host,
) -> None:
    host.there.add(line("192.0.2.9"))
    host.stands(disturbed=False)
    assert host.cut == []
    host.stands(disturbed=True)
    assert host.cut == ["192.0.2.9"]


def test_who_came_by_an_opening_stays_when_that_is_over_and_lists_were_taken_since(
    host: Host,
) -> None:
    came, late = line("192.0.2.8"), line("192.0.2.8", 4001)
    hole = Hole(came.remote, SSH)
    host.there.add(came)
    host.ended([hole])
    host.clock.advance(60)
    host.tend()
    host.there.add(late)
    host.judge()
    assert host.cut == ["192.0.2.8"]
    host.there.remove(late)
    host.judge()
    assert host.cut == ["192.0.2.8"], "the earlier one goes on"


def test_nothing_is_listed_anew_in_the_middle_of_a_change_unless_openings_end_by_the_thousand(
    host: Host,
) -> None:
    came = line("192.0.2.8")
    host.there.add(came)
    many = [Hole(ip_address("10.0.0.0") + number, SSH) for number in range(MOST_ENDED - 1)]
    host.clock.advance(60)
    host.ended(many)
    assert host.looks == 1, "at the beginning"
    host.judge()
    assert host.cut == ["192.0.2.8"]
    host.ended([*many, Hole(came.remote, SSH)])
    host.there.add(late := line("192.0.2.8", 4001))
    host.judge()
    assert host.cut == ["192.0.2.8"] * 2, "its opening is forgotten, and who came by it is not"
    host.there.discard(late)
    host.judge()
    assert len(host.cut) == 2


def test_who_was_left_out_of_one_list_by_chance_is_still_known(host: Host) -> None:
    host.there.clear()
    host.judge()
    host.there.add(line())
    host.judge()
    assert host.cut == []
    for _ in range(2):
        host.there.clear()
        host.judge()
    host.there.add(line())
    host.judge()
    assert host.cut == ["192.0.2.7"]


def test_without_the_setting_nothing_is_looked_at() -> None:
    idle = Slipped(FirewallSettings(guarded=(SSH,)), None, FakeClock())
    idle.holes = lambda: pytest.fail("it looked")
    idle.stands(disturbed=True)
    idle.ended([Hole(ip_address("192.0.2.7"), SSH)])
    idle.tend()
    idle.judge()
