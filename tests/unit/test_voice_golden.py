"""Line by line what the packaged fwknopd says of the same packets under the same files.

The packaged server and client run in a network namespace; the packets it got
go through our own files, recogniser and rules, and both logs are compared.
What has to differ is put in its place first: the name of the chain, and the
user name that a stanza requires.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fwknopd_files import HMAC_KEY, KEY
from tests.values import replay_key
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.dialects.fwknop.voice import Voice
from watchword.grant.decide import authorise
from watchword.grant.permits import Permit
from watchword.lab.hosts import Host, Lab
from watchword.model.daemon_events import Listening, Starting
from watchword.model.moments import Moment
from watchword.model.openings import Grant
from watchword.model.outcomes import Judged, Refusal
from watchword.model.packets import Packet
from watchword.model.requests import Sealed
from watchword.model.services import Proto, Service
from watchword.recognise.spa import SpaRecogniser

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd", "fwknop")]

ACCESS = f"""\
SOURCE                  127.0.0.1
KEY_BASE64              {KEY}
HMAC_KEY_BASE64         {HMAC_KEY}
OPEN_PORTS              tcp/22, udp/53
REQUIRE_USERNAME        root
REQUIRE_SOURCE_ADDRESS  Y
SOURCE                  127.0.0.0/24
KEY_BASE64              {KEY}
HMAC_KEY_BASE64         {HMAC_KEY}
ACCESS_EXPIRE           1/1/2020
SOURCE                  127.0.0.1, 192.0.2.1
KEY                     a third key of 16 bytes
SOURCE                  127.0.0.1
KEY                     a fourth key of 16 bytes
HMAC_KEY                a fourth HMAC key
"""
CLIENT = [
    "/usr/bin/fwknop", "--no-rc-file", "-D", "127.0.0.1", "--key-base64-rijndael", KEY,
    "--key-base64-hmac", HMAC_KEY, "--use-hmac",
]  # fmt: skip
WISHES = {
    "granted": ["-A", "tcp/22,udp/53", "-a", "192.0.2.7", "-U", "root"],
    "port": ["-A", "tcp/23", "-a", "192.0.2.7", "-U", "root"],
    "source": ["-A", "tcp/22", "-s", "-U", "root"],
    "user": ["-A", "tcp/22", "-a", "192.0.2.7", "-U", "eve"],
    "old": ["-A", "tcp/22", "-a", "192.0.2.7", "-U", "root", "--time-offset-minus", "500"],
    "future": ["-A", "tcp/22", "-a", "192.0.2.7", "-U", "root", "--time-offset-plus", "500"],
    "nat": ["-A", "tcp/22", "-a", "192.0.2.7", "-U", "root", "-N", "10.0.0.1:22"],
    "command": ["--server-cmd", "id", "-a", "192.0.2.7", "-U", "root"],
    "stranger": ["-A", "tcp/22", "-a", "192.0.2.7", "-U", "root"],
}
SEND = (
    "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
    "s.bind((sys.argv[1], 0)); s.sendto(open(sys.argv[2], 'rb').read(), ('127.0.0.1', 62201))"
)


class Peer:
    """The packaged server in a namespace, and its log."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.log = folder / "log"
        self.files = {
            "fwknopd.conf": f"ENABLE_UDP_SERVER Y;\nFWKNOP_RUN_DIR {folder};\n",
            "access.conf": ACCESS,
        }
        for name, text in self.files.items():
            (folder / name).touch(0o600)
            (folder / name).write_text(text, "utf-8")
        with self.log.open("wb") as log:
            host.start(
                "/usr/sbin/fwknopd", "-f", "-c", str(folder / "fwknopd.conf"),
                "-a", str(folder / "access.conf"), stdout=log, stderr=log,
            )  # fmt: skip
        self.lines_until("Kicking off UDP server")

    def lines_until(
        self, last: str, after: int = 0, times: int = 1, seconds: float = 60.0
    ) -> list[str]:
        """Lines beyond the first ``after``, as soon as so many of them hold ``last``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            lines = self.log.read_text("utf-8").splitlines()[after:]
            if sum(last in line for line in lines) >= times:
                return lines
            time.sleep(0.02)
        raise AssertionError(f"fwknopd never said {last!r}: {self.log.read_text('utf-8')}")

    def payload(self, name: str) -> Path:
        """Have the packaged client make a packet and keep it, without sending."""
        path = self.folder / f"{name}.packet"
        command = [*CLIENT, *WISHES[name], "--test", "--save-packet", str(path)]
        self.host.run(*command, env={**os.environ, "HOME": str(self.folder)})
        path.write_bytes(path.read_bytes().strip())
        return path

    def said_of(self, name: str) -> tuple[bytes, list[str]]:
        """Send one packet; what it was, and the lines that it caused."""
        before = len(self.log.read_text("utf-8").splitlines())
        path = self.payload(name)
        source = "127.0.1.9" if name == "stranger" else "127.0.0.1"
        self.host.run("python3", "-c", SEND, source, str(path))
        last = {"granted": "Added access rule", "stranger": "No access data"}.get(name)
        self.lines_until(last or "(stanza #4) Error", before, 2 if name == "granted" else 1)
        time.sleep(0.2)  # one too many
        return path.read_bytes(), self.log.read_text("utf-8").splitlines()[before:]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Lab() as lab:
        yield Peer(lab.host("server"), tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="module")
def ours(peer: Peer) -> Configuration:
    options = parse(["-c", "fwknopd.conf", "-a", "access.conf"])
    files = peer.files | {"fwknopd.conf": peer.files["fwknopd.conf"] + "GUARD_SERVICES ALL\n"}
    return load(Sources.of(files), options)


def judged(ours: Configuration, payload: bytes, source: str, now: Moment) -> Judged:
    """The daemon's own steps, without a store and a firewall."""
    packet = Packet(payload, source, 40000, "127.0.0.1", 62201)
    refusals: list[Refusal] = []
    for finding in SpaRecogniser(ours.policy).observe(packet, now):
        assert not isinstance(finding, Sealed)
        answer = finding if isinstance(finding, Refusal) else authorise(ours.policy, finding, now)
        if isinstance(answer, Permit):
            grant = Grant(
                id=replay_key().packet.hex()[:10],
                stanza=answer.request.stanza,
                user=answer.request.user,
                source=packet.source,
                who=answer.who,
                services=answer.services,
                destination=answer.destination,
                began=now.wall,
                ends=now.wall + answer.seconds,
                until=now.steady + answer.seconds,
            )
            return Judged(packet, now.wall, tuple(refusals), answer.request, grant)
        assert isinstance(answer, Refusal)
        refusals.append(answer)
    return Judged(packet, now.wall, tuple(refusals))


ONLY_2_6_11 = "Non-corresponding HMAC for this stanza"


def comparable(lines: list[str]) -> list[str]:
    """Lines without what differs by design; the end of a grant is a matter of the clock."""
    text = "\n".join(lines)
    text = re.sub(r"rule to \S+ for", "rule to CHAIN for", text)
    text = re.sub(r"expires at \d+", "expires at E", text)
    text = re.sub(r"too great \((4[4-9]\d|5[0-5]\d) seconds\)", "too great (500 seconds)", text)
    return text.splitlines()


@pytest.mark.requirement("1.6")
@pytest.mark.requirement("2.8")
def test_both_servers_say_the_same_of_the_same_packets(peer: Peer, ours: Configuration) -> None:
    voice = Voice()
    for name in WISHES:
        payload, theirs = peer.said_of(name)
        source = "127.0.1.9" if name == "stranger" else "127.0.0.1"
        event = judged(ours, payload, source, Moment(time.time(), time.monotonic()))
        said = [text for priority, text in voice(event) if priority < 7 and ONLY_2_6_11 not in text]
        assert comparable(said) == comparable(theirs), name
        assert said[0] == theirs[0], name


@pytest.mark.requirement("2.9")
def test_both_servers_start_with_the_same_words(peer: Peer, ours: Configuration) -> None:
    theirs = peer.lines_until("Kicking off")
    for event in (Starting("1"), Listening(Service(Proto.UDP, 62201), (4, 6))):
        first, *_ = (text for _, text in Voice()(event))
        assert first in theirs
    warnings = [each.message for each in ours.complaints if "REQUIRE_SOURCE" in each.message]
    assert warnings == [line for line in theirs if "REQUIRE_SOURCE" in line]
    assert len(warnings) == 3
