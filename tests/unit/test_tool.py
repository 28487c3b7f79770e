"""watchword explain and watchword check, as an operator meets them."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.contract.replay import firsts
from tests.daemon import stanza
from tests.pcap_files import ip_capture, udp_capture
from tests.sealing import sealed
from tests.values import NOW, packet, policy
from watchword.dialects.fwknop.remedies import advice
from watchword.edges.replay.sqlite import SqliteStore
from watchword.model.crypto import Secret
from watchword.model.outcomes import Refusal
from watchword.model.reasons import Reason
from watchword.model.requests import Request
from watchword.recognise.spa import SpaRecogniser
from watchword.service.tool import command as tool
from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, tcp_packet
from watchword.wire.carriers.http import request
from watchword.wire.spa.message import MessageType

OTHER = Secret(b"another encryption key of 32 by.")
OTHER_MAC = Secret(b"another hmac key")


class Desk:
    """An operator at a terminal with a configuration."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.settings = f"STATE_DIR {folder}/state\nENABLE_UDP_SERVER Y\n"
        self.access = stanza(OTHER, OTHER_MAC) + stanza(OPEN_PORTS="tcp/22,udp/53")

    def ask(self, command: str, *options: str) -> tuple[int, str, str]:
        """Exit status, answer, and what was said beside it."""
        for name, text in (("fwknopd.conf", self.settings), ("access.conf", self.access)):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text, "utf-8")
        files = ["-c", str(self.folder / "fwknopd.conf"), "-a", str(self.folder / "access.conf")]
        status = tool.run([command, *files, *options])
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def explain(self, payload: bytes, *options: str) -> tuple[int, str]:
        given = ("--source", "198.51.100.2", "--time", str(NOW.wall), *options)
        status, answer, _ = self.ask("explain", payload.decode("ascii"), *given)
        return status, answer

    def judged(self, payload: bytes, *options: str) -> dict[str, Any]:
        _, answer = self.explain(payload, "--json", *options)
        [told] = json.loads(answer)
        assert isinstance(told, dict)
        return told


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_each_stanza_s_verdict_and_what_would_be_done_are_told(desk: Desk) -> None:
    status, answer = desk.explain(sealed("198.51.100.7,tcp/22"))
    assert status == 0
    assert "stanza #1 (" in answer
    assert "its HMAC does not match this stanza's HMAC key" in answer
    assert "user 'alice' asks for tcp/22 for 198.51.100.7; allowed" in answer
    assert "GRANTED: tcp/22 for 198.51.100.7, 30 seconds, by stanza #2" in answer


@pytest.mark.parametrize(
    ("payload", "stage", "reason"),
    [
        (b"A" * 100, "envelope", "length"),
        (b"A" * 150 + b"!", "envelope", "alphabet"),
        (b"U2FsdGVkX1" + b"A" * 200, "envelope", "prefix"),
        (b"8" * 200, "hmac", "hmac-mismatch"),
        (sealed(sent_at=int(NOW.wall) - 121), "age", "too-old"),
        (sealed(sent_at=int(NOW.wall) + 121), "age", "from-the-future"),
        (sealed("198.51.100.7,tcp/80"), "ports", "port-not-offered"),
        (sealed("224.0.0.1,tcp/22"), "address", "address-not-a-host"),
    ],
)
def test_a_refused_packet_is_explained_with_stage_reason_and_remedy(
    desk: Desk, payload: bytes, stage: str, reason: str
) -> None:
    told = desk.judged(payload)
    assert (told["granted"], told["stage"], told["reason"]) == (False, stage, reason)
    assert told["remedy"]
    status, answer = desk.explain(payload)
    assert status == 1
    assert f"REFUSED ({stage})" in answer
    assert "remedy: " in answer


def test_the_source_decides_which_stanzas_have_a_say(desk: Desk) -> None:
    desk.access = stanza(SOURCE="10.0.0.0/8")
    told = desk.judged(sealed())
    assert (told["stage"], told["reason"]) == ("source", "no-stanza-for-source")


def test_what_a_grant_is_worth_beside_others_at_its_address_is_told(desk: Desk) -> None:
    payload = sealed()
    assert "\n  " not in desk.explain(payload)[1], "nothing of the kind is written"
    desk.access += "COUNT_CONNECTIONS Y\nDOOR_TIMEOUT 3\n"
    _, told = desk.explain(payload)
    assert "\n  a grant lets in 1 new connection and no more (COUNT_CONNECTIONS" in told
    assert "\n  nobody new is let in 3 s after a packet (DOOR_TIMEOUT)" in told
    assert "not looked at" not in told
    desk.access += "EXCLUSIVE_LEASE refuse\n"
    _, told = desk.explain(payload)
    assert "who else has the address just now was not looked at: watchword grants" in told
    provisos = desk.judged(payload)["provisos"]
    assert isinstance(provisos, list)
    assert len(provisos) == 4


def test_for_whom_a_grant_would_be_is_told_though_it_is_not_for_one_address(desk: Desk) -> None:
    desk.access += "BIND_SOURCE_PORT offered\nMORE_ADDRESSES 1\nPROVE Y\n"
    text = "198.51.100.2,admit tcp/22 port 40123 also 2001:db8::7"
    payload = sealed(text, type=MessageType.COMMAND)
    _, told = desk.explain(payload)
    assert "asks for 'admit tcp/22 port 40123 also 2001:db8::7'" in told
    assert "GRANTED: tcp/22 for 198.51.100.2 port 40123, 2001:db8::7 port 40123, 30 se" in told
    assert desk.judged(payload)["for_all"] == [
        "198.51.100.2 port 40123", "2001:db8::7 port 40123",
    ]  # fmt: skip
    _, said, _ = desk.ask("check")
    assert "its callers may bind a grant to their source port" in said
    assert "a packet may name 1 more addresses" in said
    assert "may prove that it is the knocker's" in said


def test_a_packet_that_the_daemon_has_seen_is_told_as_a_replay(desk: Desk) -> None:
    payload = sealed()
    assert desk.judged(payload)["granted"]
    claim(desk.folder / "state", payload)
    told = desk.judged(payload)
    assert (told["granted"], told["reason"]) == (False, "replayed")
    assert "it was seen first at" in desk.explain(payload)[1]


@pytest.mark.parametrize(("sources", "who"), [("udp,tcp", "192.0.2.7"), ("udp", "198.51.100.2")])
def test_a_proxy_is_believed_where_the_daemon_takes_connections(
    desk: Desk, sources: str, who: str
) -> None:
    desk.settings += (
        f"ENABLE_SPA_OVER_HTTP Y\nENABLE_X_FORWARDED_FOR Y\nTRUSTED_PROXIES 198.51.100.2\n"
        f"PACKET_SOURCES {sources}\n"
    )
    asked = request(sealed("0.0.0.0,tcp/22"), "203.0.113.1").removesuffix(b"\r\n")
    asked += b"X-Forwarded-For: 192.0.2.7\r\n\r\n"
    ends = Ends(ip_address("198.51.100.2"), ip_address("203.0.113.1"))
    file = desk.folder / "capture.pcap"
    file.write_bytes(ip_capture(NOW.wall, tcp_packet(asked, ends, Ports(40000, 62201))))
    [told] = json.loads(desk.ask("explain", "--pcap", str(file), "--json")[1])
    assert told["for"] == who


def test_a_packet_that_is_older_than_the_daemons_memory_is_told_so(desk: Desk) -> None:
    desk.settings += "ENABLE_SPA_PACKET_AGING N\n"
    payload, newer = sealed(), sealed(sent_at=int(NOW.wall) + 1)
    claim(desk.folder / "state", sealed(), forget=True)
    told = desk.judged(payload)
    assert (told["granted"], told["reason"]) == (False, "older-than-memory")
    assert "have the client make a new packet" in desk.explain(payload)[1]
    assert desk.judged(newer)["granted"]


def claim(state_dir: Path, payload: bytes, *, forget: bool = False) -> None:
    [request] = SpaRecogniser(policy()).observe(packet(payload), NOW)
    assert isinstance(request, Request)

    async def once() -> None:
        store = SqliteStore.open(state_dir, boot_id="boot")
        assert await firsts(store.keys, [request.key]) == [True]
        if forget:
            assert await store.keys.forget(before=NOW.wall + 3 * 86_400) == 1
        await store.aclose()

    asyncio.run(once())


def test_explaining_changes_nothing(desk: Desk) -> None:
    payload = sealed()
    for _ in range(3):
        assert desk.judged(payload)["granted"]
    assert not (desk.folder / "state").exists()


def test_packets_come_from_a_file_line_by_line(desk: Desk) -> None:
    file = desk.folder / "packets"
    file.write_bytes(sealed() + b"\n\n" + sealed("198.51.100.7,tcp/80") + b"\n")
    where = ("--file", str(file), "--source", "198.51.100.2", "--time", str(NOW.wall))
    status, answer, _ = desk.ask("explain", *where)
    assert status == 1
    assert answer.count("packet of ") == 2
    assert answer.count("GRANTED") == answer.count("REFUSED") == 1


@pytest.mark.parametrize("source", ["198.51.100.2", "2001:db8:2::2"])
def test_a_capture_knows_its_own_sources_and_times(desk: Desk, source: str) -> None:
    file = desk.folder / "capture.pcap"
    file.write_bytes(udp_capture(NOW.wall, source, sealed("0.0.0.0,tcp/22")))
    status, answer, _ = desk.ask("explain", "--pcap", str(file))
    assert status == 0
    assert f"GRANTED: tcp/22 for {source}" in answer


@pytest.mark.requirement("6.9")
@pytest.mark.parametrize(
    ("source", "destination", "kind"),
    [("198.51.100.2", "203.0.113.1", 8), ("2001:db8:2::2", "2001:db8:1::1", 128)],
)
def test_a_captured_echo_request_carries_a_packet_behind_its_eight_bytes(
    desk: Desk, source: str, destination: str, kind: int
) -> None:
    ends = Ends(ip_address(source), ip_address(destination))
    echo = icmp_packet(sealed("0.0.0.0,tcp/22"), ends, kind=kind, echo_id=7)
    file = desk.folder / "capture.pcap"
    file.write_bytes(ip_capture(NOW.wall, echo))
    status, answer, _ = desk.ask("explain", "--pcap", str(file))
    assert status == 0
    assert f"GRANTED: tcp/22 for {source}" in answer


@pytest.mark.parametrize("agent", ["Fwknop/2.6.10", "Mozilla/5.0"])
def test_a_captured_request_with_a_packet_inside_is_told_as_such(desk: Desk, agent: str) -> None:
    ends = Ends(ip_address("198.51.100.2"), ip_address("203.0.113.1"))
    asked = request(sealed(), "203.0.113.1", agent=agent)
    file = desk.folder / "capture.pcap"
    file.write_bytes(ip_capture(NOW.wall, tcp_packet(asked, ends, Ports(40000, 80))))
    status, answer, _ = desk.ask("explain", "--pcap", str(file))
    assert status == 1
    assert "REFUSED (envelope): it is an HTTP request with a packet inside" in answer
    assert "remedy: write ENABLE_SPA_OVER_HTTP Y" in answer
    status, answer, _ = desk.ask("explain", "--pcap", str(file), "--json")
    [told] = json.loads(answer)
    assert (told["in_http_request"], told["reason"], told["granted"]) == (True, "alphabet", False)
    desk.settings += "ENABLE_SPA_OVER_HTTP Y\n"
    status, answer, _ = desk.ask("explain", "--pcap", str(file), "--json")
    [told] = json.loads(answer)
    assert told["granted"] is agent.startswith("Fwknop")
    desk.settings += "ALLOW_ANY_USER_AGENT Y\n"
    status, answer, _ = desk.ask("explain", "--pcap", str(file), "--json")
    assert status == 0


@pytest.mark.parametrize(
    "payload",
    [b"GET / HTTP/1.0\r\n\r\n", b"GET /a.ico HTTP/1.1\r\n\r\n", b"GET /" + b"A" * 140, b"!" * 200],
)
def test_any_other_request_is_just_no_packet(desk: Desk, payload: bytes) -> None:
    file = desk.folder / "capture.pcap"
    file.write_bytes(udp_capture(NOW.wall, "198.51.100.2", payload))
    _, answer, _ = desk.ask("explain", "--pcap", str(file), "--json")
    [told] = json.loads(answer)
    assert (told["in_http_request"], told["stage"]) == (False, "envelope")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("8" * 200,), "where does the packet come from?"),
        (("8" * 200, "--source", "somewhere"), "'somewhere' is no address"),
        (("8" * 200, "--source", "192.0.2.1", "--time", "noon"), "'noon' is no time"),
        *(
            (("8" * 200, "--source", "192.0.2.1", "--time", odd), f"'{odd}' is no time")
            for odd in ("nan", "inf", "9" * 20, "-1", "0001-01-01", "10000-01-01")
        ),
        (("--file", "/nonexistent", "--source", "192.0.2.1"), "does not exist"),
        (("--pcap", "/etc/passwd"), "/etc/passwd: this is not a capture file"),
        (("--live", "--source", "192.0.2.256"), "'192.0.2.256' is no address"),
        (("--live", "--time", "0"), "--time and --destination are for a packet that is given"),
        (("--live", "-d", "192.0.2.1"), "--time and --destination are for a packet that is given"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_so(
    desk: Desk, options: tuple[str, ...], complaint: str
) -> None:
    status, answer, said = desk.ask("explain", *options)
    assert (status, answer) == (2, "")
    assert complaint in said


def test_a_capture_that_is_cut_off_is_told_with_its_name_and_what_to_do(desk: Desk) -> None:
    path = desk.folder / "cut.pcap"
    path.write_bytes(udp_capture(NOW.wall, "192.0.2.1", sealed())[:-5])
    status, answer, said = desk.ask("explain", "--pcap", str(path))
    assert (status, answer) == (2, "")
    assert f"{path}: the capture file ends within packet 1\nwatchword: hint: let the capt" in said


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.word)
def test_every_reason_has_a_sentence_and_a_remedy(reason: Reason) -> None:
    sentence, remedy = advice(Refusal(reason, detail="tcp/99"))
    assert len(sentence) > 20
    assert len(remedy) > 10
    assert "{detail}" not in sentence


def test_check_says_the_policy_in_words(desk: Desk) -> None:
    status, answer, _ = desk.ask("check")
    assert status == 0
    assert "hidden until granted: tcp/22, udp/53 (table inet watchword)" in answer
    assert "time stamps may lie 120 seconds in the past or the future" in answer
    assert "may open tcp/22, udp/53" in answer
    assert "for 30 seconds unless it asks for a time, at most 300" in answer
    assert answer.endswith("the configuration can be used\n")


def test_check_lists_everything_that_is_wrong_with_file_line_and_remedy(desk: Desk) -> None:
    desk.settings += "UDPSERV_PORT 99999\nMAX_SPA_PACKT_AGE 60\n"
    desk.access = stanza(OPEN_PORTS="tcp/99999", FW_ACCESS_TIMEOUT="99999999")
    status, answer, said = desk.ask("check")
    assert status == 1
    assert answer == "the configuration cannot be used\n"
    for place in ("fwknopd.conf:3: ", "fwknopd.conf:4: ", "access.conf:2: ", "access.conf:5: "):
        assert place in said
    assert "MAX_SPA_PACKET_AGE" in said


def test_no_key_is_ever_shown(desk: Desk) -> None:
    desk.access += "KEY_BASE64 not!base64\n"
    for command, options in (("check", ()), ("check", ("--json",))):
        _, answer, said = desk.ask(command, *options)
        for secret in ("not!base64", "QUFB", "YW4gZW5jcnlwdGlvbg"):
            assert secret not in answer + said


def test_check_answers_machines_too(desk: Desk) -> None:
    status, answer, _ = desk.ask("check", "--json")
    told = json.loads(answer)
    assert status == 0
    assert told["usable"] is True
    desk.access = "SOURCE ANY\n"
    status, answer, _ = desk.ask("check", "--json")
    told = json.loads(answer)
    assert status == 1
    assert told["usable"] is False
    assert {"file", "line", "message", "remedy", "fatal"} == set(told["complaints"][0])


def command_packet(text: str) -> bytes:
    return sealed(f"198.51.100.2,{text}", type=MessageType.COMMAND)


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        (
            "ping -c 1 'a b'",
            0,
            "WOULD RUN: 'ping' '-c' '1' 'a b' as nobody (group nogroup), for 30",
        ),
        ("reboot", 1, "REFUSED (command): the stanza's CMD_REGEX does not match the whole"),
        ("ping '", 1, "REFUSED (command): the command cannot be split into words"),
    ],
)
def test_what_would_be_run_of_a_command_is_told(
    desk: Desk, text: str, status: int, said: str
) -> None:
    desk.access = stanza(
        ENABLE_CMD_EXEC="Y", CMD_EXEC_USER="nobody", CMD_EXEC_GROUP="nogroup", CMD_REGEX="ping .*"
    )
    found, answer = desk.explain(command_packet(text))
    assert (found, said in answer) == (status, True), answer
    _, checked, _ = desk.ask("check")
    assert "runs commands that match 'ping .*', without a shell, as nobody" in checked


def test_what_would_be_run_of_an_action_is_told(desk: Desk) -> None:
    actions = desk.folder / "actions.conf"
    actions.touch(mode=0o600)
    actions.write_text(
        "ACTION wake\nACTION_RUN /bin/echo up $HOST\nACTION_ARGUMENT HOST word [a-z]+\n"
        "ACTION_USER nobody\n"
    )
    desk.settings += f"ACTIONS_FILE {actions}\n"
    desk.access = stanza(ACTIONS="wake", ENABLE_OWNER_CLOSE="Y")
    status, answer = desk.explain(command_packet("wake desktop"))
    assert (status, "WOULD RUN: '/bin/echo' 'up' 'desktop' as nobody" in answer) == (0, True)
    status, answer = desk.explain(command_packet("wake DESKTOP"))
    assert (status, "arguments of the action do not fit: HOST" in answer) == (1, True)
    assert desk.judged(command_packet("sleep"))["reason"] == "action-not-listed"
    status, answer = desk.explain(command_packet("close tcp/22"))
    assert status == 0
    assert "WOULD CLOSE: each grant of user 'alice' for 198.51.100.2" in answer
    told = desk.judged(command_packet("close"))
    assert (told["would_close"], told["would_run"], told["would_open"]) == (True, [], [])
    _, checked, _ = desk.ask("check")
    assert "runs for 'wake HOST' (HOST is a word that matches '[a-z]+'): /bin/echo up" in checked


def test_what_would_be_run_to_open_is_told(desk: Desk) -> None:
    desk.access = stanza(
        CMD_CYCLE_OPEN="gate $SRC $PORT", CMD_CYCLE_CLOSE="shut $SRC", CMD_CYCLE_TIMER="20"
    )
    status, answer = desk.explain(sealed())
    assert status == 0
    assert "WOULD RUN: gate 198.51.100.2 22\n" in answer
    assert "GRANTED: tcp/22 for 198.51.100.2, 20 seconds, by stanza #1" in answer
    told = desk.judged(sealed())
    assert told["would_run"] == [["gate", "198.51.100.2", "22"]]
    _, checked, _ = desk.ask("check")
    assert "opened by the command gate <who> <port>\n" in checked
    assert desk.judged(command_packet("id"))["reason"] == "command-for-a-cycle"


def test_check_says_what_this_machine_does_not_have(desk: Desk) -> None:
    desk.settings = desk.settings.replace("ENABLE_UDP_SERVER Y", "ENABLE_UDP_SERVER N")
    desk.settings += "PCAP_INTF no-such-link,lo\n"
    status, answer, said = desk.ask("check")
    assert status == 0
    assert "there is no interface no-such-link: packets on it are looked at once there is" in said
    assert "hint: interfaces are:" in said
    assert "by sniffing on no-such-link, lo with the filter udp port 62201" in answer


def test_check_tells_of_stanzas_whose_time_is_over(desk: Desk) -> None:
    desk.access += stanza(ACCESS_EXPIRE_EPOCH="1577836800")
    status, answer, said = desk.ask("check")
    assert status == 0
    assert "access stanza #3 has expired: it lets nobody in" in said
    assert "until the stanza expires at 2020-01-01 00:00:00 UTC\n" in answer
    assert "#1 has expired" not in said


def test_check_tells_of_commands_whose_program_is_not_there(desk: Desk) -> None:
    commands = {"CMD_CYCLE_OPEN": "no-such-gate open $SRC", "CMD_CYCLE_CLOSE": "/no/gate $SRC"}
    desk.access = stanza(**commands, CMD_CYCLE_TIMER="9")
    status, _, said = desk.ask("check")
    assert status == 0
    assert "access.conf:1: there is no program no-such-gate, which is to open for access" in said
    assert "there is no program /no/gate, which is to close for access stanza #1" in said
    desk.access = stanza(CMD_CYCLE_OPEN="true $SRC", CMD_CYCLE_CLOSE="NONE")
    assert "there is no program" not in desk.ask("check")[2]
    desk.access = stanza(**commands, CMD_CYCLE_TIMER="9", CMD_SHELL="Y")
    assert "there is no program" not in desk.ask("check")[2]


@pytest.mark.parametrize("number", ["0", "-1", "1000001", "9" * 30])
def test_no_number_of_events_is_too_odd_to_be_refused_in_words(desk: Desk, number: str) -> None:
    status, answer, said = desk.ask("log", "--last", number)
    assert (status, answer) == (2, "")
    assert "--last has to be a number from 1 to 1000000" in said


def test_where_nobody_changed_anything_that_is_said(desk: Desk) -> None:
    status, answer, _ = desk.ask("log", "--changes")
    assert (status, answer.startswith("nobody has changed anything")) == (0, True)
    assert desk.ask("log", "--changes", "--json") == (0, "", "")


@pytest.mark.peer("tcpdump")
def test_check_has_a_filter_compiled_that_we_do_not_understand(desk: Desk) -> None:
    desk.settings = desk.settings.replace("ENABLE_UDP_SERVER Y", "ENABLE_UDP_SERVER N")
    desk.settings += "PCAP_INTF lo\nPCAP_FILTER udp[4:2] > 100\n"
    status, answer, said = desk.ask("check")
    assert (status, "the configuration can be used" in answer) == (0, True)
    desk.settings += "PCAP_FILTER udp portt 5\n"
    status, answer, said = desk.ask("check")
    assert (status, "the configuration cannot be used" in answer) == (1, True)
    assert "fwknopd.conf:5: [*] Error compiling pcap filter" in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("run home ls -l", "a command follows a --: watchword run NAME -- COMMAND"),
        ("run --no-wait home sleep 3", "a command follows a --: watchword run NAME -- COMMAND"),
        ("run home --no-wiat", "did you mean --no-wait?"),
        ("run home ls -- ls", "watchword run --help says what there is"),
        ("status ls", "watchword status --help says what there is"),
    ],
)
def test_a_command_without_its_two_strokes_is_told_where_they_go(
    capsys: pytest.CaptureFixture[str], words: str, hint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        tool.run(words.split())
    assert ended.value.code == (125 if words.startswith("run") else 2)
    assert f"hint: {hint}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("connect home ssh", "argument PORT: a port is a number from 1 to 65535"),
        ("connect home 65536", "argument PORT: a port is a number from 1 to 65535"),
        ("connect home 0000099999", "argument PORT: a port is a number from 1 to 65535"),
        ("connect home 22 --timeout soon", "give seconds, more than 0 and at most 86400"),
        ("connect -o -r home 22", "a value that begins with - is glued on: --options=-X"),
    ],
)
def test_a_value_that_cannot_be_is_told_what_can(
    capsys: pytest.CaptureFixture[str], words: str, error: str
) -> None:
    with pytest.raises(SystemExit):
        tool.run(words.split())
    assert f"{error}\n" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "status"), [("run home -- true", 125), ("doctor home", 2)])
def test_a_stanza_that_asks_for_nothing_is_told_how_it_would(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, status: int
) -> None:
    rc_file = tmp_path / "rc"
    rc_file.write_text("[home]\nSPA_SERVER 127.0.0.1\nALLOW_IP source\n", "utf-8")
    rc_file.chmod(0o600)
    name, *words = command.split()
    assert tool.run([name, "--rc-file", str(rc_file), *words]) == status
    said = "".join(capsys.readouterr())
    assert "stanza [home] does not say what is to open\n" in said
    assert "name a TCP port on the command line, or put ACCESS tcp/22 into the stanza\n" in said
