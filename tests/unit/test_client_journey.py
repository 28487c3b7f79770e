"""Lists of carriers and several addresses: what is tried, what ends it, what is said."""

from __future__ import annotations

import pytest

from watchword.edges import send
from watchword.edges.send.sent import Sent
from watchword.errors import HostError
from watchword.model.routes import Carrier, Route
from watchword.service.client.console import Console
from watchword.service.client.journey import travel

DOWN = HostError(
    "send_spa_packet_tcp_or_udp: Could not create socket: Connection refused\n"
    "send_spa_packet: packet not sent.",
    hint="tried 192.0.2.1:443",
)
SURE = Sent("192.0.2.1", 443, 300, confirmed=True, sign="the server acknowledged it")
UNSURE = Sent("192.0.2.1", 62201, 200, sign="nothing confirms a datagram")


class Post:
    """Sends along routes as it was told to, and remembers which."""

    def __init__(self, *answers: Sent | HostError | None) -> None:
        self._answers = iter(answers)
        self.taken: list[tuple[str, bool]] = []

    def __call__(self, route: Route, *, confirm: bool) -> Sent | None:
        self.taken.append((route.address or route.carrier, confirm))
        answer = next(self._answers)
        if isinstance(answer, HostError):
            raise answer
        return answer


def routes(*carriers: Carrier) -> list[Route]:
    return [Route(carrier=each, host="192.0.2.1", port=443) for each in carriers]


def go(post: Post, *carriers: Carrier, spread: bool = False, listed: bool = True) -> None:
    travel(routes(*carriers), post, Console(), listed=listed, spread=spread)


def test_a_list_ends_at_the_first_that_is_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    post = Post(UNSURE, DOWN, SURE)
    go(post, Carrier.UDP, Carrier.HTTPS, Carrier.TCP, Carrier.ICMP)
    assert post.taken == [("udp", True), ("https", True), ("tcp", True)]
    said, complaints = capsys.readouterr()
    assert said.splitlines() == [
        "[*] udp to 192.0.2.1:443: sent: nothing confirms a datagram",
        "[+] tcp to 192.0.2.1:443: confirmed: the server acknowledged it",
    ]
    assert complaints == ("[-] https to 192.0.2.1:443: Connection refused (tried 192.0.2.1:443)\n")


def test_a_list_of_which_nothing_is_confirmed_is_no_failure_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    go(Post(UNSURE, DOWN, UNSURE), Carrier.UDP, Carrier.TCP, Carrier.ICMP)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "[*] sent by udp to 192.0.2.1:443, icmp to 192.0.2.1; nothing confirms that it arrived"
    )


def test_a_list_of_which_nothing_goes_out_is_an_error() -> None:
    with pytest.raises(HostError, match="none of the ways in the list works"):
        go(Post(DOWN, DOWN), Carrier.TCP, Carrier.HTTP)


def test_in_test_mode_all_of_a_list_is_shown_and_nothing_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    post = Post(None, None)
    go(post, Carrier.TCP, Carrier.HTTP)
    assert len(post.taken) == 2
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def _two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "addresses", lambda _route: ("192.0.2.1", "2001:db8::1"))


@pytest.mark.usefixtures("_two_addresses")
def test_every_address_is_sent_to_and_one_that_fails_is_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    post = Post(DOWN, UNSURE)
    go(post, Carrier.UDP, spread=True, listed=False)
    assert post.taken == [("192.0.2.1", False), ("2001:db8::1", False)]
    said, complaints = capsys.readouterr()
    assert said == ""
    assert complaints.startswith("[-] udp to 192.0.2.1:443: Connection refused")


@pytest.mark.usefixtures("_two_addresses")
def test_where_no_address_takes_it_the_last_reason_is_the_error() -> None:
    with pytest.raises(HostError, match="Connection refused"):
        go(Post(DOWN, DOWN), Carrier.TCP, spread=True, listed=False)


@pytest.mark.usefixtures("_two_addresses")
def test_in_a_list_each_carrier_goes_to_every_address() -> None:
    post = Post(UNSURE, UNSURE, SURE, DOWN)
    go(post, Carrier.UDP, Carrier.TCP, Carrier.HTTP, spread=True)
    assert [address for address, _ in post.taken] == ["192.0.2.1", "2001:db8::1"] * 2
