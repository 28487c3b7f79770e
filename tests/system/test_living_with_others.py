"""ufw and Docker beside us: what is hidden stays hidden, and who was granted stays in."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, stanza, until
from tests.sealing import sealed
from tests.system.nat_scene import Door
from tests.system.others import INSIDE, PUBLISHED, Harbour, Ufw, harbour, publish
from tests.system.tables_scene import close_doors
from watchword.lab.hosts import Lab
from watchword.lab.sockets import send_datagram
from watchword.wire.spa.message import MessageType

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables", "ufw")]

TIMED = MessageType.TIMEOUT_ACCESS
BACK = "other hands had changed the firewall"


@pytest.fixture(scope="module")
def scene() -> Iterator[Harbour]:
    with Lab() as lab:
        yield harbour(lab)


@pytest.fixture(scope="module")
def doors(scene: Harbour) -> Iterator[dict[str, Door]]:
    """A service of the host, and one in the container."""
    opened = {"host": Door(scene.host.host, "::", 22), "box": Door(scene.container.host, "::", 22)}
    yield opened
    for each in opened.values():
        each.close()


@pytest.fixture(scope="class")
def ufw(scene: Harbour, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ufw]:
    """Switched on: nothing comes in but ssh, as far as it is concerned, and packets for us."""
    ufw = Ufw(scene.host.host, tmp_path_factory.mktemp("ufw"))
    for rule in ("22/tcp", "62201/udp"):
        ufw("allow", rule)
    ufw("enable")
    yield ufw
    wipe(scene)


@pytest.fixture
def docker(scene: Harbour) -> Iterator[None]:
    """A port is published, and nobody else has a rule."""
    publish(scene)
    yield
    wipe(scene)


@pytest.fixture
def server(scene: Harbour, tmp_path: Path) -> Iterator[Server]:
    server = Server(scene.host.host, tmp_path)
    server.access = stanza(OPEN_PORTS=f"tcp/22,tcp/{PUBLISHED}", FW_ACCESS_TIMEOUT="300")
    yield server
    if server.process is not None:
        server.stop()
        server.program("--fw-flush")  # ufw's rules stay for the next one


def wipe(scene: Harbour) -> None:
    """Every rule of everybody; and nobody's policy is left."""
    for each in ("iptables", "ip6tables"):
        for words in ("-P INPUT ACCEPT", "-P FORWARD ACCEPT", "-P OUTPUT ACCEPT"):
            scene.host.host.run(each, *words.split())
    scene.host.host.run("nft", "flush", "ruleset")


def knock(scene: Harbour, server: Server, ports: str, seconds: int = 300) -> None:
    """The caller asks for his own address, in both families."""
    before = len(server.judged)
    for number, (who, host) in enumerate(scene.ends(), start=1):
        text = f"{who},{ports}" if ":" not in who else f"0.0.0.0,{ports}"
        packet = sealed(text, sent_at=int(time.time()), seconds=seconds, type=TIMED)
        send_datagram(scene.outside.caller.host, packet, host, 62201)
        judged = server.wait_for_judgements(before + number)
        assert judged[-1]["verdict"] == "granted", judged[-1]


def in_force(
    scene: Harbour, doors: dict[str, Door], *, host_port: int = 22, box: int = PUBLISHED
) -> None:
    """Whoever was granted gets in to both, and nobody else to either."""
    for _, host in scene.ends():
        for name, port in (("host", host_port), ("box", box)):
            with doors[name].enter(scene.outside.caller, host, port) as visit:
                assert visit.goes_on()
            assert not doors[name].lets_in(scene.outside.stranger, host, port)


class TestBesideUfw:
    @pytest.mark.requirement("3.3")
    def test_beside_ufw_and_docker_a_guarded_port_is_hidden_until_granted_whatever_those_do(
        self, scene: Harbour, doors: dict[str, Door], ufw: Ufw, server: Server
    ) -> None:
        publish(scene)
        for _, host in scene.ends():
            with doors["box"].enter(scene.outside.stranger, host, PUBLISHED):
                pass  # Docker publishes it past ufw, which was never told to allow it
        server.start()
        for _, host in scene.ends():
            for name, port in (("host", 22), ("box", PUBLISHED)):
                assert not doors[name].lets_in(scene.outside.caller, host, port)
        knock(scene, server, f"tcp/22,tcp/{PUBLISHED}")
        in_force(scene, doors)
        visit = doors["box"].enter(scene.outside.caller, scene.host.four, PUBLISHED)
        assert "ufw is active" in server.tool("doctor", "--server").stdout
        for doing in ("reload", "disable", "enable"):
            ufw(doing)
            off = doing == "disable"
            assert not off or "ufw is active" not in server.tool("doctor", "--server").stdout
            assert not doors["host"].lets_in(scene.outside.stranger, scene.host.four, 22), doing
        in_force(scene, doors)
        assert visit.goes_on()
        assert BACK not in server.log, "there was nothing to put right"
        visit.close()

    @pytest.mark.requirement("3.3", partial=True)
    def test_rules_of_iptables_stand_before_those_of_ufw_and_who_slips_past_those_is_cut_off(
        self, scene: Harbour, doors: dict[str, Door], ufw: Ufw, chains: Server
    ) -> None:
        ufw("delete", "allow", "22/tcp")
        chains.settings["HIDDEN_SERVICES"] = "tcp/22"
        chains.start()
        assert not doors["host"].lets_in(scene.outside.caller, scene.host.four, 22)
        knock(scene, chains, "tcp/22")
        ufw("reload")
        until(lambda: len(rules(scene, "_exp_")) == 2)
        for _, host in scene.ends():
            with doors["host"].enter(scene.outside.caller, host, 22):
                pass
            assert not doors["host"].lets_in(scene.outside.stranger, host, 22)
        mine = [doors["host"].enter(scene.outside.caller, host, 22) for _, host in scene.ends()]
        ufw("disable")
        slipped = [
            doors["host"].enter(scene.outside.stranger, host, 22) for _, host in scene.ends()
        ]
        ufw("enable")
        stranger = scene.outside.stranger
        for who in (stranger.four, stranger.six):
            chains.wait_for(f"Cut off {who} from tcp/22: who slipped in while other hands changed")
        assert all(each.goes_on() for each in mine)
        assert all(each.is_cut() for each in slipped)
        for each in (*mine, *slipped):
            each.close()


@pytest.mark.usefixtures("docker")
def test_a_flushed_ruleset_is_guarded_again_and_who_slipped_in_to_a_published_port_is_cut(
    scene: Harbour, doors: dict[str, Door], server: Server
) -> None:
    server.start()
    knock(scene, server, f"tcp/22,tcp/{PUBLISHED}")
    mine = doors["box"].enter(scene.outside.caller, scene.host.four, PUBLISHED)
    for pid in server.pids:
        os.kill(pid, signal.SIGSTOP)
    scene.host.host.run("nft", "flush", "ruleset")
    publish(scene)
    slipped = [
        doors[name].enter(scene.outside.stranger, host, port)
        for _, host in scene.ends()
        for name, port in (("host", 22), ("box", PUBLISHED))
    ]
    for pid in server.pids:
        os.kill(pid, signal.SIGCONT)
    server.wait_for(f"Restored 2 grants: {BACK}")
    in_force(scene, doors)
    assert mine.goes_on()
    for each in (*slipped, mine):
        assert each is mine or each.is_cut()
        each.close()


@pytest.fixture
def chains(scene: Harbour, server: Server) -> Server:
    """One whose grants are rules of iptables."""
    server.settings |= {"FIREWALL_BACKEND": "iptables"}
    return server


def rules(scene: Harbour, words: str) -> list[str]:
    """Of both families, in the filter table."""
    found = []
    for each in ("iptables", "ip6tables"):
        found += scene.host.host.run(each, "-S").stdout.splitlines()
    return [each for each in found if words in each]


@pytest.mark.requirement("3.4")
@pytest.mark.usefixtures("docker")
def test_a_dump_of_iptables_that_is_restored_takes_nothing_away_and_opens_nothing(
    scene: Harbour, doors: dict[str, Door], chains: Server
) -> None:
    """As ``netfilter-persistent reload`` does: without us, with a grant, with one that is over."""

    def saved() -> list[tuple[str, str]]:
        makes = ("iptables", "ip6tables")
        return [(f"{m}-restore", scene.host.host.run(f"{m}-save").stdout) for m in makes]

    def restored(dump: list[tuple[str, str]]) -> None:
        with chains.puts_right(2):
            for program, text in dump:
                scene.host.host.run(program, input=text)
        until(lambda: sorted(rules(scene, "_exp_")) == mine)
        until(lambda: len(rules(scene, "-j FWKNOP_INPUT")) == 2)
        assert len(rules(scene, "-N FWKNOP_INPUT")) == 2
        for _, host in scene.ends():
            with doors["host"].enter(scene.outside.caller, host, 22):
                pass
            assert not doors["host"].lets_in(scene.outside.stranger, host, 22)

    close_doors(scene.host.host, "iptables")
    without_us = saved()
    chains.start()
    packet = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()))
    send_datagram(scene.outside.stranger.host, packet, scene.host.four, 62201)
    chains.wait_for_judgements(1)
    with_what_will_be_over = saved()
    assert chains.tool("revoke", "--all").returncode == 0
    knock(scene, chains, "tcp/22")
    mine = sorted(rules(scene, "_exp_"))
    alive = saved()
    restored(without_us)
    restored(with_what_will_be_over)
    for program, text in alive:
        scene.host.host.run(program, input=text)
    until(lambda: sorted(rules(scene, "_exp_")) == mine)
    scene.host.host.run("nft", "flush", "ruleset")
    until(lambda: sorted(rules(scene, "_exp_")) == mine)
    until(lambda: len(rules(scene, "-A INPUT -j FWKNOP_INPUT")) == 2)


@pytest.mark.usefixtures("docker")
def test_a_published_port_opens_through_docker_s_own_chain_for_users_and_is_cut_with_its_grant(
    scene: Harbour, doors: dict[str, Door], chains: Server
) -> None:
    chains.access = stanza(OPEN_PORTS=f"tcp/{INSIDE}")
    for each in ("iptables", "ip6tables"):
        for rule in ("-j DROP", "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"):
            scene.host.host.run(each, *f"-I DOCKER-USER -i eth0 {rule}".split())
    chains.settings["IPT_INPUT_ACCESS"] = "ACCEPT, filter, DOCKER-USER, 1, FWKNOP_INPUT, 1"
    chains.start()
    for _, host in scene.ends():
        assert not doors["box"].lets_in(scene.outside.caller, host, PUBLISHED)
    knock(scene, chains, f"tcp/{INSIDE}")
    visits = [doors["box"].enter(scene.outside.caller, host, PUBLISHED) for _, host in scene.ends()]
    for _, host in scene.ends():
        assert not doors["box"].lets_in(scene.outside.stranger, host, PUBLISHED)
    answer = chains.tool("revoke", "--all", "--cut")
    assert answer.returncode == 0, answer.stderr
    assert "connections cut: 2" in answer.stdout
    for visit in visits:
        assert visit.is_cut()
        visit.close()
