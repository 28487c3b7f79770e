"""Security groups of AWS keep the contract of all backends, and rules of others stay theirs."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from botocore.stub import Stubber

from tests.contract.firewall import FirewallContract, World, tags
from tests.unit.aws_scene import CREDENTIALS, aws, client, impatient, new_group, wiped
from tests.unit.dated_scene import StillHeir, world_of
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.dated.aws import ORPHANED, SecurityGroup
from watchword.edges.firewall.dated.aws_calls import ATTEMPTS, Group, Inbound, _client, _session
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.firewall.dated.heir import environment, order, ordered
from watchword.edges.firewall.dated.rule import Rule
from watchword.edges.programs import MemoryPrograms
from watchword.errors import HostError
from watchword.model.openings import ChangeSet, Hole
from watchword.model.services import Service

_numbers = itertools.count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws() as where:
        yield where


class TestSecurityGroup(FirewallContract):
    column = "aws"
    seen_on = "emulator"
    many = 60

    @pytest.fixture
    def world(self, endpoint: str, tmp_path: Path) -> World:
        settings = new_group(endpoint, f"hidden-{next(_numbers)}")
        return world_of(
            settings, MemoryPrograms(), tmp_path, lambda: wiped(endpoint, settings.aws.group),
            impatient,
        )  # fmt: skip


NOW = FakeClock().now().wall
OTHERS = [
    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
     "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "the shop"}]},
    {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
     "IpRanges": [{"CidrIp": "198.51.100.1/32", "Description": "the office"},
                  {"CidrIp": "198.51.100.2/32", "Description": "watchword other _exp_9999999999"}]},
    {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "2001:db8:5::/48"}]},
]  # fmt: skip


class Scene:
    """A group with rules of others in it, a backend, and calls that can be made to fail."""

    def __init__(self, endpoint: str, path: Path) -> None:
        self.settings = new_group(endpoint, f"hidden-{next(_numbers)}")
        self.group = self.settings.aws.group
        self.ec2 = client(endpoint)
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=OTHERS)
        self.calls = Trouble(Group(self.settings.aws))
        self.world = world_of(
            self.settings, MemoryPrograms(), path, lambda: None, lambda *_: self.tool()
        )
        self.world.backend.prepare()

    def tool(self, name: str = "door", wall: float = NOW, settling: float = 0.0) -> SecurityGroup:
        return SecurityGroup(self.calls, name, settling=settling, wall=lambda: wall)

    def rules(self) -> set[str]:
        return {each for each in self.calls.printed() if each not in THEIRS}

    def theirs(self) -> set[str]:
        return {each for each in self.calls.printed() if each in THEIRS}


THEIRS = {
    "tcp 443-443 from 0.0.0.0/0 the shop",
    "tcp 22-22 from 198.51.100.1/32 the office",
    "tcp 22-22 from 198.51.100.2/32 watchword other _exp_9999999999",
    "-1  from 2001:db8:5::/48",
}


class Trouble(Group):
    """Fails, or is killed, at one of the calls that change something; before or after it."""

    def __init__(self, group: Group) -> None:
        super().__init__(group._settings)
        self.left = -1
        self.done = False
        self.error: BaseException = HostError("AWS cannot be asked")

    def _change(self, call: str, rules: Collection[tuple[Inbound, str]]) -> None:
        self.left -= bool(rules)
        failing = bool(rules) and self.left == -1
        if failing and not self.done:
            raise self.error
        super()._change(call, rules)
        if failing:
            raise self.error


@pytest.fixture
def scene(endpoint: str, tmp_path: Path) -> Scene:
    return Scene(endpoint, tmp_path)


@pytest.mark.requirement("7.20")
@pytest.mark.requirement("4.34", partial=True)
def test_a_grant_is_an_inbound_rule_that_says_whose_it_is_and_when_it_ends(scene: Scene) -> None:
    world = scene.world
    world.add(world.opening(), world.opening("2001:db8::7", "udp/1194"))
    ends = int(NOW) + 60
    assert scene.rules() == {
        f"tcp 22-22 from 192.0.2.7/32 watchword door _exp_{ends}",
        f"udp 1194-1194 from 2001:db8::7/128 watchword door _exp_{ends}",
    }
    world.add(world.opening(seconds=90))
    assert f"tcp 22-22 from 192.0.2.7/32 watchword door _exp_{ends + 30}" in scene.rules()
    world.wait(60)
    assert len(scene.rules()) == 1
    world.wait(30)
    assert scene.rules() == set()
    assert scene.theirs() == THEIRS


def test_rules_of_others_stay_whatever_is_removed(scene: Scene) -> None:
    world = scene.world
    world.add(world.opening())
    world.backend.teardown()
    assert scene.rules() == set()
    assert scene.theirs() == THEIRS


@pytest.mark.parametrize("who", ["198.51.100.1", "198.51.100.2"])
def test_what_another_rule_allows_already_is_not_claimed(scene: Scene, who: str) -> None:
    world, other = scene.world, scene.world.opening("192.0.2.9")
    with pytest.raises(HostError, match="not ours"):
        world.add(world.opening(who), other)
    assert scene.rules() == set()
    assert scene.theirs() == THEIRS
    assert world.backend.installed() == frozenset()


def test_orphans_of_an_instance_that_is_gone_are_taken_out_by_the_next(scene: Scene) -> None:
    world = scene.world
    world.add(world.opening())
    other = scene.tool("another", wall=NOW + 60 + ORPHANED)
    assert not other.read(), "it may have a server that ends it itself"
    late = scene.tool("another", wall=NOW + 61 + ORPHANED)
    [orphan] = late.read()
    late.change([orphan], ())
    assert scene.rules() == set()
    assert scene.theirs() == THEIRS


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("step", range(3))
def test_a_change_that_fails_on_the_way_is_undone(scene: Scene, step: int, done: bool) -> None:
    world = scene.world
    kept, gone = world.opening(), world.opening("192.0.2.8")
    world.add(kept, gone)
    before = scene.rules()
    scene.calls.left, scene.calls.done = step, done
    renewal = world.opening(seconds=90)
    change = ChangeSet(add=(renewal, world.opening("192.0.2.9")), remove=tags(kept, gone))
    with pytest.raises(HostError, match="cannot be asked"):
        world.backend.apply(change)
    assert scene.rules() == before
    assert scene.theirs() == THEIRS
    world.backend.apply(change)
    assert len(scene.rules()) == 2
    assert world.backend.intact()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("step", range(3))
def test_killed_on_the_way_it_leaves_nothing_open_past_its_time(
    scene: Scene, step: int, done: bool
) -> None:
    world = scene.world
    kept, gone = world.opening(), world.opening("192.0.2.8")
    world.add(kept, gone)
    scene.calls.left, scene.calls.done = step, done
    scene.calls.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        world.backend.apply(
            ChangeSet(
                add=(world.opening(seconds=90), world.opening("192.0.2.9")), remove=tags(gone)
            )
        )
    world.wait(90)
    assert scene.rules() == set()
    assert scene.theirs() == THEIRS


@pytest.mark.requirement("4.34", partial=True)
def test_a_rule_that_other_hands_revoked_is_missed_at_the_next_look_and_put_back(
    endpoint: str, tmp_path: Path
) -> None:
    settings = new_group(endpoint, "looked-after")
    world = world_of(settings, MemoryPrograms(), tmp_path, lambda: None, impatient)
    world.backend.prepare()
    there = world.opening()
    world.add(there)

    async def revoked() -> None:
        woken = asyncio.ensure_future(anext(world.backend.disturbances()))
        await asyncio.sleep(0)
        await asyncio.to_thread(wiped, endpoint, settings.aws.group)
        await woken

    asyncio.run(asyncio.wait_for(revoked(), 30))
    assert not world.backend.intact()
    assert world.backend.installed() == frozenset()
    world.backend.prepare()
    world.backend.apply(ChangeSet(add=(there,)))
    assert world.backend.intact()
    assert Group(settings.aws).listed().keys() == {Inbound(there.hole.who, Service.parse("tcp/22"))}


def test_a_listing_that_is_late_is_not_believed_against_an_answer(scene: Scene) -> None:
    tool = scene.tool(settling=60.0)
    rule = Rule(Hole(ip_address("192.0.2.7"), Service.parse("tcp/22")), int(NOW) + 60)
    tool.change((), [rule])
    wiped(scene.settings.aws.endpoint, scene.group)  # the listing is as before the change
    assert tool.read() == [rule]
    assert scene.tool().read() == []
    tool.change([rule], ())
    assert tool.read() == [], "to take out what is gone is no error"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("UnauthorizedOperation", "four actions"),
        ("RulesPerSecurityGroupLimitExceeded", "quota"),
        ("RequestLimitExceeded", "not open"),
        ("AuthFailure", "clock"),
        ("SomethingNew", ""),
    ],
)
def test_what_aws_refuses_is_said_with_a_remedy_and_nothing_is_open(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    asked = Stubber(_client(scene.settings.aws, ATTEMPTS))
    asked.add_response("describe_security_groups", {"SecurityGroups": [{"IpPermissions": []}]})
    asked.add_client_error("authorize_security_group_ingress", code, "no more")
    asked.add_response("describe_security_groups", {"SecurityGroups": [{"IpPermissions": []}]})
    with asked, pytest.raises(HostError, match=f"{code}: no more") as refused:
        scene.world.add(scene.world.opening())
    assert said in refused.value.hint
    assert scene.world.backend.installed() == frozenset()


class Busy(BaseHTTPRequestHandler):
    """AWS's words for being asked too often, so many times; then a group without rules."""

    calls = 0
    busy = 0

    def do_POST(self) -> None:
        type(self).calls += 1
        code = 503 if self.calls <= self.busy else 200
        page = _THROTTLED if code == 503 else _NO_RULES
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(code)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


_THROTTLED = (
    b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slower, please</Message>"
    b"</Error></Errors><RequestID>1</RequestID></Response>"
)
_NO_RULES = (
    b'<DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
    b"<securityGroupInfo><item><groupId>sg-1</groupId><ipPermissions/></item></securityGroupInfo>"
    b"</DescribeSecurityGroupsResponse>"
)


@pytest.mark.parametrize(("busy", "refused"), [(ATTEMPTS - 1, False), (ATTEMPTS + 1, True)])
def test_aws_that_is_asked_too_often_is_asked_again_after_pauses_up_to_four_times(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, busy: int, refused: bool
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", pauses.append)

    class Handler(Busy):
        calls = 0

    Handler.busy = busy
    with serving(Handler) as where:
        group = Group(replace(scene.settings.aws, endpoint=where))
        if refused:
            with pytest.raises(HostError, match="RequestLimitExceeded: slower") as told:
                group.listed()
            assert "not open" in told.value.hint
        else:
            assert group.listed() == {}
    assert Handler.calls == ATTEMPTS == 4
    assert all(each <= most for each, most in zip(pauses, (1, 2, 4), strict=True))


@contextmanager
def serving(handler: type[Busy]) -> Iterator[str]:
    """A web server on loopback, while it is needed."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_group_that_is_not_there_or_nobody_who_answers_is_told_at_the_start(
    scene: Scene, tmp_path: Path
) -> None:
    nowhere = replace(scene.settings.aws, group="sg-00000000000000000")
    silent = replace(scene.settings.aws, endpoint="http://127.0.0.1:1")
    for settings, said in ((nowhere, "InvalidGroup.NotFound"), (silent, "cannot be asked")):
        backend = DatedFirewall(
            replace(scene.settings, aws=settings), tmp_path / "lock", programs=MemoryPrograms(),
            clock=FakeClock(), heir=StillHeir,
        )  # fmt: skip
        with pytest.raises(HostError, match=said):
            backend.probe()


def test_without_credentials_it_says_where_they_may_be(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in CREDENTIALS:
        if name != "AWS_EC2_METADATA_DISABLED":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    _session.cache_clear()
    _client.cache_clear()
    with pytest.raises(HostError, match="no credentials") as told:
        Group(scene.settings.aws).listed()
    assert "role" in told.value.hint
    _session.cache_clear()
    _client.cache_clear()


def test_whoever_ends_rules_after_us_has_the_credentials_but_not_in_its_arguments(
    scene: Scene, tmp_path: Path
) -> None:
    assert environment(scene.settings).items() >= CREDENTIALS.items()
    assert not environment(replace(scene.settings, backend="pf")).keys() & CREDENTIALS.keys()
    told = order(scene.settings, tmp_path)
    assert not any(each in told for each in CREDENTIALS.values())
    assert ordered(told)[0].aws == scene.settings.aws
