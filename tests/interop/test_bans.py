"""fail2ban and CrowdSec shut out who answers at his address, and nobody in whose name he wrote."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon import Server, until
from tests.plugins.privileges import PACKAGED
from tests.unit.test_voice import refused
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.voice import lines, structured
from watchword.lab.hosts import Lab, can_make_namespaces
from watchword.lab.sockets import connect, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.outcomes import Judged, Refusal
from watchword.model.packets import Packet
from watchword.model.reasons import Reason

PACKAGING = Path(__file__).parents[2] / "packaging"
TAG = "Nov 29 12:00:00 door fwknopd[812]: "
PUNISHED = {
    Reason.REPLAYED, Reason.MAC_MISMATCH, Reason.NOT_DECRYPTED, Reason.MALFORMED,
    Reason.NO_SUCH_CIPHER, Reason.NO_STANZA,
}  # fmt: skip
PACKAGED_SERVER = (PACKAGING.parent / "tests" / "interop" / "packaged_fwknopd.log").read_text(
    "utf-8"
)
"""What fwknopd 2.6.10 says, recorded. It sniffs TCP, so not even there does the source answer."""


def judged(at: Packet, *refusals: Refusal, user: str = "alice") -> str:
    wanted = request(user=user) if refusals[0].reason.stage > Reason.REPLAYED.stage else None
    return structured(Judged(at, NOW.wall, refusals, wanted))


def ways(source: str) -> dict[str, Packet]:
    """The same packet by every way, from that address."""
    plain = packet(b"8" * 200, source=source)
    tcp = plain._replace(protocol=6, connected=True)
    return {
        "connected": tcp,
        "udp": plain,
        "sniffed": plain._replace(protocol=6, interface="eth0"),
        "from a capture file": plain._replace(protocol=6),
        "icmp": plain._replace(protocol=1, local_port=0),
        "proxied": tcp._replace(forwarded="192.0.2.5"),
        "lying proxy": tcp._replace(forwarded='x","verdict":"refused","reason":"replayed'),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of fail2ban with our filter, and no jail but ours, which is enabled."""
    folder = tmp_path_factory.mktemp("fail2ban") / "etc"
    shutil.copytree("/etc/fail2ban", folder)
    for jail in (folder / "jail.d").iterdir():
        jail.unlink()
    for part in ("filter.d", "jail.d"):
        shutil.copy(PACKAGING / "fail2ban" / part / "watchword.conf", folder / part)
    return folder


def found(folder: Path, *log: str) -> list[str]:
    """The addresses that fail2ban's own tester finds in these lines."""
    path = folder / "lines"
    path.write_text("".join(f"{line}\n" for line in log))
    told = subprocess.run(
        ["/usr/bin/fail2ban-regex", "-c", folder, "-o", "ip", path, "watchword"],
        check=False, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert told.stderr == ""
    return told.stdout.split()


@pytest.mark.requirement("4.4", partial=True)
@pytest.mark.peer("fail2ban-regex")
def test_the_filter_finds_who_connected_and_had_no_key_or_sent_a_packet_again(folder: Path) -> None:
    log, wanted = [], []
    for number, reason in enumerate(Reason):
        for source in (f"198.51.100.{number}", f"2001:db8::{number:x}"):
            log.append(TAG + judged(ways(source)["connected"], Refusal(reason, (1, 2), "detail")))
            if reason in PUNISHED:
                wanted.append(source)
    assert len(wanted) == 2 * len(PUNISHED)
    assert found(folder, *log) == wanted


@pytest.mark.requirement("4.4", partial=True)
@pytest.mark.peer("fail2ban-regex")
def test_the_filter_finds_nobody_whose_address_somebody_else_may_have_written(folder: Path) -> None:
    log = [
        TAG + judged(by, Refusal(reason, (1,), "detail"))
        for way, by in ways("198.51.100.9").items()
        if way != "connected"
        for reason in Reason
    ]
    log += [TAG + line for line in PACKAGED_SERVER.splitlines()]
    assert found(folder, *log) == []


@pytest.mark.requirement("4.4", partial=True)
@pytest.mark.peer("fail2ban-regex")
def test_no_text_of_a_sender_pretends_to_be_an_event(folder: Path) -> None:
    event = judged(ways("203.0.113.77")["connected"], Refusal(Reason.REPLAYED))
    by = ways("198.51.100.9")["connected"]
    for text in (event, f"\n{TAG}{event}", f'"}}\n{TAG}{event}', f'","reason":"replayed{event}'):
        wrong = Refusal(Reason.WRONG_USER, (1,), text, expected=text)
        told = refused(wrong, wanted=request(user=text))
        log = [TAG + judged(by, wrong, user=text)]
        log += [TAG + line for _, line in lines(told)]
        log += [TAG + line for _, line in lines(replace(told, packet=by))]
        log.append(f"Nov 29 12:00:00 door sshd[9]: {event}")
        log.append(f"Nov 29 12:00:00 door sshd[9]: Invalid user fwknopd[1]: {event}")
        assert found(folder, *log) == []


def test_the_filter_the_scenario_and_the_page_have_one_list_of_reasons() -> None:
    words = {reason.word for reason in PUNISHED}
    read = {
        name: (PACKAGING.parent / name).read_text("utf-8")
        for name in (
            "packaging/fail2ban/filter.d/watchword.conf",
            "packaging/crowdsec/scenarios/watchword-bf.yaml",
            "docs/bans.md",
        )
    }
    listed = [
        re.findall(r"^_refused = (.*)$", read["packaging/fail2ban/filter.d/watchword.conf"], re.M),
        re.findall(r"reason in \[(.*)\]", read["packaging/crowdsec/scenarios/watchword-bf.yaml"]),
        re.findall(r"^\| (?:no key|a packet).*?: (.*) \| ", read["docs/bans.md"], re.M),
    ]
    for found in listed:
        assert set(re.findall(r"[a-z][a-z-]+", " ".join(found))) == words


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


def knock_by_tcp(scene: Trio, address: str) -> bool:
    """Garbage by TCP from the stranger; whether it could be handed over."""
    sock = connect(scene.stranger.host, address, 62201)
    if sock is None:
        return False
    with sock:
        sock.sendall(b"8" * 200)
    return True


def served(scene: Trio, folder: Path) -> Server:
    server = Server(scene.server.host, folder)
    server.settings |= {"ENABLE_TCP_SERVER": "Y"}
    return server.start()


def pass_on(server: Server, log: Path) -> None:
    """The daemon's lines, as syslog would write them."""
    stamp = time.strftime("%b %d %H:%M:%S")
    text = "".join(f"{stamp} door fwknopd[812]: {line}\n" for line in server.log.splitlines())
    log.write_text(text)


@pytest.mark.requirement("4.4", partial=True)
@pytest.mark.system
@pytest.mark.peer("fail2ban-server", "fail2ban-client", "nft")
def test_fail2ban_itself_shuts_out_who_knocks_by_tcp_and_not_a_victim_of_forged_datagrams(
    scene: Trio, folder: Path, tmp_path: Path
) -> None:
    server = served(scene, tmp_path)
    for _ in range(30):  # as the stranger would send them, in the caller's name
        send_datagram(scene.caller.host, b"8" * 200, scene.server.four, 62201)
    for _ in range(3):
        for address in (scene.server.four, scene.server.six):
            until(lambda address=address: knock_by_tcp(scene, address))  # type: ignore[misc]
    until(lambda: sum("connected" in each for each in server.judged) >= 6)
    until(lambda: sum("connected" not in each for each in server.judged) >= 10)
    log = tmp_path / "syslog"
    pass_on(server, log)
    (folder / "fail2ban.local").write_text(
        "[Definition]\ndbfile = None\nlogtarget = STDERR\nsyslogsocket = auto\n"
    )
    (folder / "jail.local").write_text(
        "[DEFAULT]\nbanaction = nftables-multiport\nbanaction_allports = nftables-allports\n"
        f"[watchword]\nenabled = true\nbackend = polling\nlogpath = {log}\nmaxretry = 3\n"
    )
    with (tmp_path / "fail2ban").open("wb") as said:
        scene.server.host.start(
            "/usr/bin/fail2ban-server", "-f", "-c", str(folder), "-s", str(tmp_path / "f2b.sock"),
            "-p", str(tmp_path / "f2b.pid"), "start", stdout=said, stderr=said,
        )  # fmt: skip
    banned = (scene.stranger.four, scene.stranger.six)
    try:
        until(lambda: all(each in server.ruleset() for each in banned))
    except AssertionError:
        raise AssertionError((tmp_path / "fail2ban").read_text() + server.ruleset()) from None
    assert scene.caller.four not in server.ruleset()
    with pytest.raises((ConnectionRefusedError, AssertionError)):
        assert knock_by_tcp(scene, scene.server.four)
    assert connect(scene.caller.host, scene.server.four, 62201) is not None


CROWDSEC = shutil.which("crowdsec", path=PACKAGED)


def crowdsec_files(folder: Path, log: Path) -> Path:
    """A configuration of its own, offline, with our parser and our scenario; returns its path."""
    hub = Path("/usr/share/crowdsec/hub")
    for part in ("etc/parsers", "etc/postoverflows", "data", "log"):
        (folder / part).mkdir(parents=True)
    shutil.copytree(hub, folder / "hub")
    shutil.copytree("/etc/crowdsec/patterns", folder / "etc/patterns")
    for stage, file in (
        ("s00-raw", hub / "parsers/s00-raw/crowdsecurity/syslog-logs.yaml"),
        ("s01-parse", PACKAGING / "crowdsec/parsers/s01-parse/watchword-logs.yaml"),
        ("s02-enrich", hub / "parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml"),
    ):
        (folder / "etc/parsers" / stage).mkdir()
        shutil.copy(file, folder / "etc/parsers" / stage)
    shutil.copytree(PACKAGING / "crowdsec/scenarios", folder / "etc/scenarios")
    for name in ("profiles.yaml", "simulation.yaml"):
        shutil.copy(Path("/etc/crowdsec") / name, folder / "etc")
    (folder / "etc/console.yaml").touch()
    (folder / "etc/acquis.yaml").write_text(f"filenames: [{log}]\nlabels: {{type: syslog}}\n")
    config = folder / "config.yaml"
    config.write_text(f"""\
common: {{daemonize: false, log_media: stdout, log_level: info, working_dir: {folder}}}
config_paths:
  config_dir: {folder}/etc/
  data_dir: {folder}/data/
  simulation_path: {folder}/etc/simulation.yaml
  hub_dir: {folder}/hub/
  index_path: {folder}/hub/.index.json
  notification_dir: {folder}/etc/
  plugin_dir: {folder}/etc/
crowdsec_service: {{acquisition_path: {folder}/etc/acquis.yaml, parser_routines: 1}}
db_config: {{type: sqlite, db_path: {folder}/data/crowdsec.db, use_wal: false}}
plugin_config: {{user: nobody, group: nogroup}}
api:
  client: {{credentials_path: {folder}/etc/credentials.yaml}}
  server:
    listen_uri: 127.0.0.1:8080
    profiles_path: {folder}/etc/profiles.yaml
    console_path: {folder}/etc/console.yaml
prometheus: {{enabled: false}}
""")
    return config


@pytest.mark.requirement("4.4", partial=True)
@pytest.mark.skipif(CROWDSEC is None, reason="not installed: crowdsec")
@pytest.mark.skipif(bool(can_make_namespaces()), reason="no namespaces")
def test_crowdsec_itself_decides_against_who_knocks_by_tcp_and_not_against_a_victim(
    tmp_path: Path,
) -> None:
    log = tmp_path / "syslog"
    log.touch()
    config = crowdsec_files(tmp_path / "crowdsec", log)
    with Lab() as lab:
        host = lab.host("door")
        host.run("ip", "link", "set", "lo", "up")

        def cscli(*argv: str) -> str:
            return host.run("cscli", "-c", str(config), *argv).stdout

        credentials = str(tmp_path / "crowdsec/etc/credentials.yaml")
        at = ("--url", "http://127.0.0.1:8080")
        cscli("machines", "add", "door", "--password", "of the test", "-f", credentials, *at)
        said = tmp_path / "said"
        with said.open("wb") as out:
            host.start("crowdsec", "-c", str(config), stdout=out, stderr=out)
        until(lambda: "Starting processing data" in said.read_text())
        stamp = time.strftime("%b %d %H:%M:%S")
        with log.open("a") as lines_of:
            for _ in range(6):
                for number, by in enumerate(ways("").values()):
                    event = judged(
                        by._replace(peer=f"198.51.100.{number + 1}"),
                        Refusal(Reason.MAC_MISMATCH, (1,)),
                    )
                    lines_of.write(f"{stamp} door fwknopd[812]: {event}\n")
                slip = judged(
                    ways("198.51.100.50")["connected"], Refusal(Reason.WRONG_USER, (1,), "eve")
                )
                lines_of.write(f"{stamp} door fwknopd[812]: {slip}\n")
        until(lambda: "watchword/spa-bf" in cscli("decisions", "list", "-o", "json"))
        decisions = json.loads(cscli("decisions", "list", "-o", "json"))
        assert [each["source"]["value"] for each in decisions] == ["198.51.100.1"]
