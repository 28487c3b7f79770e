"""fwknop -R: whom it asks, what it believes, and that it sends nothing where it cannot know."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dns.rcode import Rcode

from tests.resolvers import (
    Authority,
    datagrams,
    dns_answer,
    page,
    stun_answer,
    web,
)
from tests.unit import client_scene
from tests.unit.client_scene import KEYS, opened
from watchword.edges.whereabouts import reaching
from watchword.edges.whereabouts import wget as wget_edge
from watchword.errors import HostError
from watchword.programs.fwknop import main

home = client_scene.home
server = client_scene.server
pytestmark = pytest.mark.usefixtures("home")

HINT = (
    "fwknop: hint: no packet was sent; give your address with -a, or use -s, or name others to "
    "ask with --resolvers\n"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def knock(server: socket.socket) -> Callable[..., int]:
    """Runs the client against the server, with these options."""

    def run(*options: str) -> int:
        target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
        return main(["-A", "tcp/22", *KEYS, *target, *options])

    return run


@pytest.fixture
def granted(server: socket.socket) -> Callable[[], str]:
    """The address that the packet asks for."""

    def asked_for() -> str:
        return opened(server.recv(2000)).text.partition(",")[0]

    return asked_for


@pytest.fixture
def nothing_sent(server: socket.socket) -> Iterator[None]:
    yield
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(2000)


def impatient(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.3) -> None:
    """Have every deadline pass sooner than in real life."""
    whole = reaching.Deadline.__init__

    def soon(self: reaching.Deadline, given: float = seconds) -> None:
        whole(self, min(given, seconds))

    monkeypatch.setattr(reaching.Deadline, "__init__", soon)


# Pages over HTTPS.


@pytest.mark.requirement("9.4", partial=True)
@pytest.mark.requirement("9.9")
@pytest.mark.requirement("10.3")
@pytest.mark.parametrize("option", ["--resolve-url", "--URL"])
def test_the_address_of_a_page_over_https_goes_into_the_packet(
    option: str, authority: Authority, knock: Callable[..., int], granted: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with web([page("192.0.2.44\n")], tls=authority.server("127.0.0.1")) as resolver:
        url = f"https://127.0.0.1:{resolver.port}/my/ip"
        assert knock("-R", option, url, "--ca-file", str(authority.file)) == 0
    assert granted() == "192.0.2.44"
    assert capsys.readouterr() == ("", "")
    assert resolver.heard == [
        b"GET /my/ip HTTP/1.0\r\nUser-Agent: Fwknop/2.6.10\r\nAccept: */*\r\n"
        b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n"
    ]


@pytest.mark.requirement("4.13")
@pytest.mark.requirement("4.15")
def test_a_stanza_that_says_resolve_asks_and_v_tells_what_came_of_it(
    authority: Authority, home: Path, server: socket.socket, granted: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with web([page("192.0.2.44")], tls=authority.server("127.0.0.1")) as resolver:
        url = f"https://127.0.0.1:{resolver.port}/"
        (home / ".fwknoprc").write_text(
            "[myssh]\nACCESS tcp/22\nALLOW_IP resolve\n"
            f"SPA_SERVER 127.0.0.1:{server.getsockname()[1]}\n"
            f"KEY client-key-1\nHMAC_KEY client-hmac-1\n"
            f"RESOLVE_URL {url}\nCA_FILE {authority.file}\n"
        )
        assert main(["-n", "myssh", "-v"]) == 0
    assert granted() == "192.0.2.44"
    line = f"\n[+] Resolved external IP (via {url}) as: 192.0.2.44\n"
    assert capsys.readouterr().out.startswith(line)


@pytest.mark.parametrize("careless", [False, True], ids=["", "a Python that overlooks it"])
@pytest.mark.usefixtures("nothing_sent")
def test_an_answer_over_tls_that_somebody_on_the_way_may_have_cut_does_not_count(
    authority: Authority,
    knock: Callable[..., int],
    careless: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if careless:  # as Debian 12 has it
        usual = ssl.create_default_context

        def overlooking(**given: Any) -> ssl.SSLContext:
            context = usual(**given)
            context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
            return context

        monkeypatch.setattr(ssl, "create_default_context", overlooking)
    with web([page("192.0.2.4")], tls=authority.server("127.0.0.1"), ragged=True) as resolver:
        url = f"https://127.0.0.1:{resolver.port}/"
        assert knock("--resolve-url", url, "--ca-file", str(authority.file)) == 1
    said = capsys.readouterr().err
    assert "127.0.0.1 does not speak TLS as it should: " in said
    assert "_ssl.c" not in said


@pytest.mark.usefixtures("nothing_sent")
def test_a_page_without_tls_that_is_asked_with_it_is_told_in_plain_words(
    knock: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with web([page("192.0.2.4")]) as resolver:
        assert knock("--resolve-url", f"https://127.0.0.1:{resolver.port}/") == 1
    said = capsys.readouterr().err
    assert "127.0.0.1 does not speak TLS as it should: " in said
    assert "_ssl.c" not in said


@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.example"])
@pytest.mark.usefixtures("nothing_sent")
def test_a_certificate_of_nobody_we_know_or_of_somebody_else_does_not_count(
    name: str, authority: Authority, knock: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    options = () if name == "127.0.0.1" else ("--ca-file", str(authority.file))
    with web([page("192.0.2.44")], tls=authority.server(name)) as resolver:
        url = f"https://127.0.0.1:{resolver.port}/"
        assert knock("--resolve-url", url, *options) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"[-] Could not resolve IP via: '{url}'\nthe certificate of 127.0.0.1 ")
    remedy = "--ca-file FILE" if name == "127.0.0.1" else "name the server as its certificate does"
    assert f"{remedy}; no packet was sent" in said


@pytest.mark.usefixtures("nothing_sent")
def test_a_file_that_holds_no_authorities_is_refused(
    knock: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert knock("-R", "--resolvers", "https://127.0.0.1:9/", "--ca-file", str(home / "no")) == 1
    assert "cannot be used as a file of certificate authorities" in capsys.readouterr().err


def test_a_redirection_over_tls_is_followed_to_another_page_over_tls(
    authority: Authority, knock: Callable[..., int], granted: Callable[[], str]
) -> None:
    answers = [page("", "302 Found", "Location: /there?x=1"), page("192.0.2.44")]
    with web(answers, tls=authority.server("127.0.0.1")) as resolver:
        url = f"https://127.0.0.1:{resolver.port}/here"
        assert knock("--resolve-url", url, "--ca-file", str(authority.file)) == 0
    assert granted() == "192.0.2.44"
    assert resolver.heard[1].startswith(b"GET /there?x=1 HTTP/1.0\r\n")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/", "the page leads on to one without TLS"),
        ("https://[x/", "the page leads on to what is no URL"),
        ("/again", "the page leads on more than 5 times"),
    ],
)
@pytest.mark.usefixtures("nothing_sent")
def test_a_redirection_out_of_tls_or_without_end_is_not_followed(
    location: str, reason: str, authority: Authority, knock: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    answers = [page("", "302 Found", f"Location: {location}")]
    with web(answers, tls=authority.server("127.0.0.1")) as resolver:
        url = f"https://127.0.0.1:{resolver.port}/"
        assert knock("--resolve-url", url, "--ca-file", str(authority.file)) == 1
    assert capsys.readouterr().err.splitlines()[1] == reason
    assert len(resolver.heard) <= 6


# Pages without TLS.


@pytest.mark.parametrize("text", ["192.0.2.44", "192.0.2.44\r\nmore\r\n", "192.0.2.44<br>"])
def test_a_page_without_tls_is_asked_when_that_is_chosen(
    text: str, knock: Callable[..., int], granted: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with web([page(text)]) as resolver:
        url = f"http://127.0.0.1:{resolver.port}/ip/"
        assert knock("--resolve-http-only", "--resolve-url", url, "-v", "-u", "me myself") == 0
    assert granted() == "192.0.2.44"
    told = capsys.readouterr()
    assert told.out.startswith(
        "\n[+] Resolved external IP (via http://127.0.0.1/ip) as: 192.0.2.44\n"
    )
    assert "should begin" not in told.err
    assert resolver.heard[0].startswith(b"GET /ip HTTP/1.0\r\nUser-Agent: me myself\r\n")


def test_a_page_without_tls_is_warned_about_when_it_is_not(
    knock: Callable[..., int], granted: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    with web([page("192.0.2.44")]) as resolver:
        url = f"http://127.0.0.1:{resolver.port}/ip/"
        assert knock("-R", "--resolve-url", url, "--use-wget-user-agent") == 0
    assert granted() == "192.0.2.44"
    assert capsys.readouterr().err == (
        f"[-] Warning: IP resolution URL '{url}' should begin with 'https://' in -R mode.\n"
    )
    assert b"User-Agent" not in resolver.heard[0]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            page("<html>\x1b[2JPlease log in</html>\r\nmore"),
            "[-] From http://127.0.0.1/ip\n    Invalid IP () in HTTP response:\n\n"
            "<html>\\x1b[2JPlease log in</html>\nmore\n",
        ),
        (page("2001:db8::7"), "    Invalid IP (2001) in HTTP response:\n"),
        (page("0.0.0.0"), "the answer is 0.0.0.0, which is nobody's address\n"),
        (page("", "302 Found", "Location: http://portal/"), "leads on to http://portal/, which"),
        (page("192.0.2.44", "503 Busy"), "the page cannot be had: HTTP status 503\n"),
        (page("1" * 3000), "the answer is longer than 2000 bytes\n"),
        (b"hello", "Did not find the end of HTTP header.\n"),
        (b"", "Did not find the end of HTTP header.\n"),
        (b"SSH-2.0-x\r\n\r\n", "the answer is not HTTP\n"),
    ],
    ids=["HTML", "IPv6", "nobody", "redirection", "status", "too long", "no head", "empty", "ssh"],
)
@pytest.mark.requirement("9.4", partial=True)
@pytest.mark.usefixtures("nothing_sent")
def test_a_page_that_is_not_an_address_ends_the_run(
    answer: bytes, said: str, knock: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with web([answer]) as resolver:
        url = f"http://127.0.0.1:{resolver.port}/ip"
        assert knock("--resolve-http-only", "--resolve-url", url) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.endswith(HINT)


@pytest.mark.usefixtures("nothing_sent")
def test_a_page_that_hangs_is_not_waited_for_longer_than_ten_seconds(
    knock: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reaching.SECONDS == 10
    impatient(monkeypatch)
    with web([b"HTTP/1.0 200 OK\r\n\r\n192.0.2.44"], hang=True) as resolver:
        url = f"http://127.0.0.1:{resolver.port}/"
        assert knock("--resolve-http-only", "--resolve-url", url) == 1
    assert "there was no answer within 0.3 seconds" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_sent")
def test_nor_is_one_that_says_a_little_again_and_again(
    knock: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    over = threading.Event()

    def drip() -> None:
        peer, _ = listener.accept()
        with peer, suppress(OSError):
            peer.sendall(b"HTTP/1.0 200 OK\r\n")
            while not over.wait(0.05):
                peer.sendall(b"X: y\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert knock("--resolve-http-only", "--resolve-url", url) == 1
        over.set()
        thread.join()
    assert "there was no answer within 0.3 seconds" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_sent")
def test_a_lookup_that_hangs_is_not_waited_for_either(
    knock: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ever = threading.Event()

    def look_up(*_more: object) -> list[object]:
        ever.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    impatient(monkeypatch)
    assert knock("--resolvers", "https://slow.example/") == 1
    ever.set()
    assert "error in getaddrinfo: slow.example was not found in time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--resolve-http-only", "--resolve-url", "https://h/"],
            "[*] https is not supported for --resolve-http-only.\n",
        ),
        (
            ["--resolve-url", "https://h:70000/"],
            "[*] resolve-url port value is invalid, must be in [1-65535]\n"
            "Error parsing resolve-url\n",
        ),
        (["--resolve-url", "https:///x"], "Error parsing resolve-url\n"),
        (["--resolve-url", "https://h/a b"], "Error parsing resolve-url\n"),
        (["--resolve-url", "https://" + "h" * 257], "Error parsing resolve-url\n"),
        (["--resolve-url", "https://h/" + "p" * 1024], "Error parsing resolve-url\n"),
        (["--resolve-url", "https://user@h/"], "Error parsing resolve-url\n"),
        (["--resolvers", "ftp://h/"], "'ftp://h/' is no resolver\n"),
        (["--resolvers", ""], "'' is no resolver\n"),
        (["--resolvers", "stun:h:0"], "'stun:h:0' is no resolver\n"),
        (
            ["--resolvers", "stun:a b"],
            "'stun:a b' is no resolver\nfwknop: hint: its host is neither a name nor an address\n",
        ),
        (
            ["--resolvers", "stun:[::g"],
            "'stun:[::g' is no resolver\nfwknop: hint: its host is neither a name nor an address\n",
        ),
        (["--resolvers", "dns:name"], "'dns:name' is no resolver\n"),
        (["--resolvers", "dns:a..b@h"], "'dns:a..b@h' is no resolver\n"),
        (["--resolvers", "dns:name@h/MX"], "'MX' is no kind of record with an address\n"),
        (["--resolvers", ",".join(f"stun:h:{n}" for n in range(1, 18))], "More than 16 resolvers"),
        (["--resolve-agree"], "Two resolvers have to agree, and there is only one.\n"),
        (
            ["--resolve-agree", "--resolvers", "stun:h,stun:h:3478"],
            "Two resolvers have to agree, and there is only one.\n",
        ),
        (
            ["--resolve-url", "https://h/", "--resolvers", "stun:h"],
            "RESOLVE_URL and RESOLVERS both say whom to ask.\n",
        ),
        (["-R", "-u", "two\nlines"], "a user agent is one line of printable ASCII characters\n"),
        (["-R", "-A", "junk"], "fwknop: fko_set_spa_message: Error 102"),
    ],
)
@pytest.mark.usefixtures("nothing_sent")
def test_what_is_wrong_is_said_before_anybody_is_asked(
    options: list[str], said: str, knock: Callable[..., int], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(reaching, "addresses", None)
    assert knock(*options) == 1
    assert capsys.readouterr().err.startswith(said)


# Which setting counts.


@pytest.mark.parametrize(
    ("filed", "typed", "address"),
    [
        ("[default]\nALLOW_IP 192.0.2.1\n", ["-R"], "192.0.2.44"),
        ("[default]\nALLOW_IP 192.0.2.1\n[x]\nALLOW_IP resolve\n", ["-n", "x"], "192.0.2.44"),
        ("[default]\nALLOW_IP 192.0.2.1\n[x]\nRESOLVE_IP_HTTPS Y\n", ["-n", "x"], "192.0.2.44"),
        ("[default]\nALLOW_IP resolve\n[x]\nALLOW_IP 192.0.2.1\n", ["-n", "x"], "192.0.2.1"),
        ("[default]\nALLOW_IP resolve\n", ["-a", "192.0.2.1"], "192.0.2.1"),
        ("[default]\nALLOW_IP resolve\n", ["-s"], "0.0.0.0"),
        ("[default]\n", ["-a", "192.0.2.1", "-R"], "192.0.2.1"),
        ("[default]\nRESOLVE_IP_HTTP Y\n", [], "192.0.2.44"),
        ("[default]\n", [], "192.0.2.44"),
    ],
)
@pytest.mark.requirement("9.4", partial=True)
def test_the_most_specific_place_says_whether_anybody_is_asked(
    filed: str, typed: list[str], address: str, home: Path, knock: Callable[..., int],
    granted: Callable[[], str],
) -> None:  # fmt: skip
    with web([page("192.0.2.44")]) as resolver:
        url = f"RESOLVE_URL http://127.0.0.1:{resolver.port}/\n"
        (home / ".fwknoprc").write_text(filed.replace("[default]\n", f"[default]\n{url}"))
        assert knock(*typed) == 0
    assert granted() == address
    assert bool(resolver.heard) is (address == "192.0.2.44")


def test_a_list_on_the_command_line_stands_for_the_url_of_the_rc_file_and_the_other_way_round(
    home: Path, knock: Callable[..., int], granted: Callable[[], str]
) -> None:
    with web([page("192.0.2.44")]) as resolver:
        url = f"http://127.0.0.1:{resolver.port}/"
        (home / ".fwknoprc").write_text(
            "[default]\nRESOLVE_URL http://127.0.0.1:9/\nRESOLVE_HTTP_ONLY Y\n"
        )
        assert knock("--resolvers", url) == 0
        assert granted() == "192.0.2.44"
        (home / ".fwknoprc").write_text("[default]\nRESOLVERS stun:127.0.0.1:9\n")
        assert knock("--resolve-url", url) == 0
        assert granted() == "192.0.2.44"


def test_a_command_can_be_asked_for_from_the_address_that_was_found(
    server: socket.socket,
) -> None:
    with web([page("192.0.2.44")]) as resolver:
        url = f"http://127.0.0.1:{resolver.port}/"
        target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
        assert main(["-C", "id", *KEYS, *target, "-R", "--resolve-url", url]) == 0
    assert opened(server.recv(2000)).text == "192.0.2.44,id"


def test_in_test_mode_the_address_is_found_out_as_well(
    knock: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with web([page("192.0.2.44")]) as resolver:
        assert knock("-T", "-R", "--resolve-url", f"http://127.0.0.1:{resolver.port}/") == 0
    assert "192.0.2.44,tcp/22" in capsys.readouterr().out


def test_whom_to_ask_is_saved_in_a_stanza(home: Path) -> None:
    options = ["--resolvers", "stun:192.0.2.1,dns:me@192.0.2.2/TXT", "--resolve-agree"]
    assert main(["-T", "-n", "x", "--save-rc-stanza", "-A", "tcp/22", *KEYS, "-k", *options]) == 0
    saved = (home / ".fwknoprc").read_text().split()
    assert saved[saved.index("RESOLVERS") + 1] == "stun:192.0.2.1,dns:me@192.0.2.2/TXT"
    assert saved[saved.index("RESOLVE_AGREE") + 1] == "Y"


# Several resolvers.


@pytest.mark.requirement("9.4", partial=True)
def test_the_second_is_asked_when_the_first_fails(
    knock: Callable[..., int], granted: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    with web([page("<html>")]) as broken, web([page("192.0.2.44")]) as resolver:
        listed = ",".join(f"http://127.0.0.1:{each.port}/" for each in (broken, resolver))
        assert knock("--resolve-http-only", "--resolvers", listed) == 0
    assert granted() == "192.0.2.44"
    assert capsys.readouterr() == ("", "")


@pytest.mark.requirement("9.4")
@pytest.mark.parametrize("option", ["-R", "--Resolve-external-IP", "--whatismyip"])
def test_by_any_of_its_names_it_asks_over_https_then_somebody_else_and_says_what_failed(
    option: str, authority: Authority, knock: Callable[..., int], granted: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tls = authority.server("127.0.0.1")
    with web([page("<html>")], tls=tls) as broken, web([page("192.0.2.44")], tls=tls) as other:
        one, two = (f"https://127.0.0.1:{each.port}/ip" for each in (broken, other))
        trust = ("--ca-file", str(authority.file))
        assert knock(option, "--resolvers", f"{one},{two}", *trust, "-v") == 0
        assert granted() == "192.0.2.44"
        line = f"\n[+] Resolved external IP (via {two}) as: 192.0.2.44\n"
        assert capsys.readouterr().out.startswith(line)
        assert knock(option, "--resolvers", one, *trust) == 1
    said = f"[-] From {one}\n    Invalid IP () in HTTP response:\n\n<html>\n"
    assert capsys.readouterr() == ("", f"{said}{HINT}")


def test_two_that_agree_are_believed(knock: Callable[..., int], granted: Callable[[], str]) -> None:
    with web([page("192.0.2.44")]) as one, web([page("192.0.2.44\n")]) as other:
        listed = ",".join(f"http://127.0.0.1:{port}/" for port in (9, one.port, other.port))
        assert knock("--resolve-agree", "--resolvers", listed) == 0
    assert granted() == "192.0.2.44"
    assert len(one.heard) == len(other.heard) == 1


@pytest.mark.usefixtures("nothing_sent")
def test_two_that_do_not_agree_end_the_run_whatever_a_third_says(
    knock: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with web([page("192.0.2.44")]) as one, web([page("192.0.2.45")]) as other:
        ports = (one.port, other.port, one.port)
        listed = ",".join(f"http://127.0.0.1:{port}/{n}" for n, port in enumerate(ports))
        assert knock("--resolve-agree", "--resolve-http-only", "--resolvers", listed) == 1
    assert capsys.readouterr().err == (
        f"The resolvers do not agree: http://127.0.0.1:{one.port}/0 says 192.0.2.44, "
        f"http://127.0.0.1:{other.port}/1 says 192.0.2.45.\n{HINT}"
    )
    assert len(one.heard) == 1


@pytest.mark.usefixtures("nothing_sent")
def test_one_answer_is_not_enough_where_two_have_to_agree(
    knock: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with web([page("192.0.2.44")]) as one:
        listed = f"http://127.0.0.1:{one.port}/,http://127.0.0.1:9/"
        assert knock("--resolve-agree", "--resolve-http-only", "--resolvers", listed) == 1
    assert "and only one has answered.\n" in capsys.readouterr().err


# STUN.


def seen_as(address: str) -> Callable[[bytes, str], list[bytes]]:
    return lambda question, _sender: [stun_answer(question, address)]


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "192.0.2.44"), ("::1", "2001:db8::7")])
def test_a_stun_server_of_either_family_is_asked(
    host: str, address: str, knock: Callable[..., int], granted: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    family = "-6" if ":" in host else "-4"
    with datagrams(seen_as(address), host) as resolver:
        place = f"[{host}]:{resolver.port}" if ":" in host else f"{host}:{resolver.port}"
        line = ["-A", "tcp/22", *KEYS, "-T", family, "--resolvers", f"stun:{place}", "-v"]
        assert main(line) == 0
    told = capsys.readouterr()
    assert f"[+] Resolved external IP (via stun:{place}) as: {address}\n" in told.out
    assert f" Message String: {address},tcp/22\n" in told.out
    assert ("fwknopd refuses the packet" in told.err) is (":" in address)


def test_a_question_to_a_stun_server_that_is_lost_is_sent_again(
    knock: Callable[..., int], granted: Callable[[], str]
) -> None:
    heard: list[bytes] = []

    def deaf_at_first(question: bytes, _sender: str) -> list[bytes]:
        heard.append(question)
        return [stun_answer(question, "192.0.2.44")] if len(heard) > 1 else []

    with datagrams(deaf_at_first, "127.0.0.1") as resolver:
        assert knock("--resolvers", f"stun:127.0.0.1:{resolver.port}") == 0
    assert granted() == "192.0.2.44"
    assert heard[0] == heard[1]


def test_a_datagram_that_does_not_know_our_question_is_passed_over(
    knock: Callable[..., int], granted: Callable[[], str]
) -> None:
    def forged_first(question: bytes, _sender: str) -> list[bytes]:
        foreign = question[:8] + bytes(12)
        return [b"junk", stun_answer(foreign, "198.51.100.9"), stun_answer(question, "192.0.2.44")]

    with datagrams(forged_first, "127.0.0.1") as resolver:
        assert knock("--resolvers", f"stun:127.0.0.1:{resolver.port}") == 0
    assert granted() == "192.0.2.44"


@pytest.mark.parametrize("answers", [[], [b"junk"]])
@pytest.mark.usefixtures("nothing_sent")
def test_a_stun_server_that_says_nothing_useful_is_given_up(
    answers: list[bytes], knock: Callable[..., int], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    impatient(monkeypatch)
    with datagrams(lambda *_: answers, "127.0.0.1") as resolver:
        assert knock("--resolvers", f"stun:127.0.0.1:{resolver.port}") == 1
    assert capsys.readouterr().err == (
        f"[-] Could not resolve IP via: 'stun:127.0.0.1:{resolver.port}'\n"
        f"there was no answer within 0.3 seconds\n{HINT}"
    )


# DNS.


@pytest.mark.parametrize(
    ("options", "kind", "texts", "address"),
    [
        (("", "-4"), "A", ["192.0.2.44"], "192.0.2.44"),
        (("", "-6"), "AAAA", ["2001:db8::7"], "2001:db8::7"),
        (("/TXT", "-4"), "TXT", ['"192.0.2.44"'], "192.0.2.44"),
        (("/TXT", "-6"), "TXT", ['"2001:db8::" "7"'], "2001:db8::7"),
    ],
)
def test_a_name_server_is_asked_for_a_name_that_means_whoever_asks(
    options: tuple[str, str], kind: str, texts: list[str], address: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    suffix, family = options
    host = "::1" if family == "-6" else "127.0.0.1"
    with datagrams(lambda q, _: [dns_answer(q, kind, *texts).to_wire()], host) as resolver:
        place = f"[{host}]:{resolver.port}" if ":" in host else f"{host}:{resolver.port}"
        listed = f"dns:whoami.example.@{place}{suffix}"
        assert main(["-A", "tcp/22", *KEYS, "-T", family, "--resolvers", listed, "-v"]) == 0
    assert f" Message String: {address},tcp/22\n" in capsys.readouterr().out


def test_an_answer_that_is_cut_off_is_asked_for_over_tcp(
    knock: Callable[..., int], granted: Callable[[], str]
) -> None:
    def cut_off(question: bytes, _sender: str) -> list[bytes]:
        answer = dns_answer(question, "TXT")
        answer.flags |= 0x0200
        return [answer.to_wire()]

    with datagrams(cut_off, "127.0.0.1") as resolver, socket.socket() as stream:
        stream.bind(("127.0.0.1", resolver.port))
        stream.listen()
        stream.settimeout(60)

        def serve() -> None:
            peer, _ = stream.accept()
            with peer:
                question = peer.recv(2000)[2:]
                answer = dns_answer(question, "TXT", '"192.0.2.44"').to_wire()
                peer.sendall(len(answer).to_bytes(2, "big") + answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert knock("--resolvers", f"dns:whoami.example@127.0.0.1:{resolver.port}/TXT") == 0
        thread.join()
    assert granted() == "192.0.2.44"


@pytest.mark.parametrize(
    ("kind", "texts", "said"),
    [
        ("TXT", ['"hello"'], "the answer is no address"),
        ("TXT", ['"192.0.2.44"', '"192.0.2.45"'], "the answer has several different addresses"),
        ("TXT", ['"2001:db8::7"'], "the answer is 2001:db8::7, and an IPv4 address was asked for"),
        ("TXT", [], "the answer has no address"),
        ("A", ["192.0.2.44"], "the answer has no address"),
        ("TXT", ["REFUSED"], "the name server refuses: REFUSED"),
    ],
)
@pytest.mark.usefixtures("nothing_sent")
def test_a_name_server_that_says_something_else_ends_the_run(
    kind: str, texts: list[str], said: str, knock: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def answer(question: bytes, _sender: str) -> list[bytes]:
        if texts == ["REFUSED"]:
            refused = dns_answer(question, kind)
            refused.set_rcode(Rcode.REFUSED)
            return [refused.to_wire()]
        return [dns_answer(question, kind, *texts).to_wire()]

    with datagrams(answer, "127.0.0.1") as resolver:
        assert knock("--resolvers", f"dns:whoami.example@127.0.0.1:{resolver.port}/TXT") == 1
    assert capsys.readouterr().err.splitlines()[1] == said


@pytest.mark.usefixtures("nothing_sent")
def test_without_the_library_a_name_server_cannot_be_asked_and_the_remedy_is_said(
    knock: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dns", None)
    assert knock("--resolvers", "dns:whoami.example@127.0.0.1:9") == 1
    said = capsys.readouterr().err
    assert "asking a name server needs the library dnspython\n" in said
    assert "pip install 'watchword[dns]'" in said


# wget.


@pytest.fixture
def wget(home: Path) -> Path:
    """A program in its place that writes down what it was asked, and prints a page."""
    program = home / "my-wget"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{home}/asked\nenv >>{home}/asked\ncat "{home}/page"\n'
    )
    program.chmod(0o755)
    return program


def test_a_wget_that_is_named_is_run_without_a_shell(
    wget: Path, home: Path, knock: Callable[..., int], granted: Callable[[], str],
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (home / "page").write_text("192.0.2.44\nsecond line\n")
    monkeypatch.setenv("SECRET_OF_MINE", "x")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    url = "https://resolver.example/ip?a=1&b=$(id)"
    options = ("-w", str(wget), "--resolve-url", url, "-u", "two words", "-v")
    assert knock(*options) == 0
    assert granted() == "192.0.2.44"
    command = f"{wget} -U two words --secure-protocol=auto --quiet -O - {url}"
    assert capsys.readouterr().out.startswith(
        f"\n[+] Resolved external IP (via '{command}') as: 192.0.2.44\n"
    )
    asked = (home / "asked").read_text().splitlines()
    assert asked[:6] == ["-U", "two words", "--secure-protocol=auto", "--quiet", "-O", "-"]
    assert asked[6] == url
    assert "https_proxy=http://proxy.example:3128" in asked
    assert not any(line.startswith("SECRET_OF_MINE") for line in asked)


def test_a_family_and_an_authority_that_were_chosen_reach_wget(
    wget: Path, home: Path, knock: Callable[..., int], granted: Callable[[], str]
) -> None:
    (home / "page").write_text("192.0.2.44")
    (home / ".fwknoprc").write_text(f"[default]\nWGET_CMD {wget}\nUSE_WGET_USER_AGENT Y\n")
    assert knock("-R", "-4", "--ca-file", "/some/ca.pem") == 0
    assert granted() == "192.0.2.44"
    assert (home / "asked").read_text().splitlines()[:3] == [
        "-4", "--ca-certificate=/some/ca.pem", "--secure-protocol=auto",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "<html>", "2001:db8::7"])
@pytest.mark.usefixtures("nothing_sent")
def test_a_wget_that_prints_no_address_ends_the_run(
    text: str, wget: Path, home: Path, knock: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (home / "page").write_text(text)
    assert knock("-R", "-w", str(wget)) == 1
    assert capsys.readouterr().err == (
        f"[-] Could not resolve IP via: '{wget} -U Fwknop/2.6.10 --secure-protocol=auto --quiet "
        "-O - https://www.cipherdyne.org/cgi-bin/myip'\nthe program printed no such address\n"
        f"{HINT}"
    )


@pytest.mark.usefixtures("nothing_sent")
def test_a_wget_that_is_not_there_or_hangs_ends_the_run(
    home: Path, knock: Callable[..., int], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert knock("-R", "-w", str(home / "no")) == 1
    assert f"{home / 'no'}: there is no such program\n" in capsys.readouterr().err
    slow = home / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 20\n")
    slow.chmod(0o755)
    monkeypatch.setattr(wget_edge.ask, "__kwdefaults__", {"seconds": 0.2})
    assert knock("-R", "-w", str(slow)) == 1
    assert "took longer than 0.2 s and was ended\n" in capsys.readouterr().err


# The defaults.


def test_by_default_the_page_of_the_original_is_asked_and_nobody_else(
    knock: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def nobody(host: str, port: int, *_more: object) -> list[object]:
        asked.append((host, port))
        raise HostError("error in getaddrinfo: not here")

    monkeypatch.setattr(reaching, "addresses", nobody)
    assert knock("-R") == 1
    assert asked == [("www.cipherdyne.org", 443)]
    asked.clear()
    assert knock("--resolve-http-only") == 1
    assert asked == [("www.cipherdyne.org", 80), ("www.cipherdyne.com", 80)]
