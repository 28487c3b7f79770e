"""HTTPS: whose certificate is accepted, and that nothing is said to anybody else."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.certificates import certificate
from tests.relay_double import relaying
from watchword.edges.send import require, send
from watchword.errors import HostError
from watchword.model.relays import Relay, RelayKind
from watchword.model.routes import Carrier, Route
from watchword.wire.carriers.http import extract

PAYLOAD = b"+/" + b"A" * 200
NAME = "spa.example"


class Site:
    """An HTTPS server that remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(path)
        self.authority = str(path)
        self.heard = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            with contextlib.suppress(ssl.SSLError, ConnectionError, TimeoutError):
                try:
                    channel, _ = self.listener.accept()
                except OSError:
                    return
                channel.settimeout(60)
                with self._context.wrap_socket(channel, server_side=True) as secured:
                    self.heard += secured.recv(4096)
                    secured.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(certificate(tmp_path, NAME, "127.0.0.1"))
    yield site
    site.listener.close()


def test_a_server_whose_authority_is_named_gets_the_request(site: Site) -> None:
    route = Route(
        carrier=Carrier.HTTPS, host="127.0.0.1", port=site.port, authorities=site.authority
    )
    require(route)
    sent = send(PAYLOAD, route)
    assert (sent.confirmed, sent.sign) == (True, "the server answers 404 Not Found")
    found = extract(site.heard)
    assert found is not None
    assert found.payload == PAYLOAD


def test_its_name_is_what_counts_also_behind_a_relay(site: Site) -> None:
    with relaying({NAME: "127.0.0.1", "other.example": "127.0.0.1"}) as relay:
        by = Relay(RelayKind.SOCKS5, "127.0.0.1", relay.port)
        route = Route(
            carrier=Carrier.HTTPS, host=NAME, port=site.port, relay=by, authorities=site.authority
        )
        assert send(PAYLOAD, route).confirmed
        heard = site.heard
        assert f"Host: {NAME}\r\n".encode("ascii") in heard

        other = Route(
            carrier=Carrier.HTTPS, host="other.example", port=site.port, relay=by,
            authorities=site.authority,
        )  # fmt: skip
        with pytest.raises(
            HostError, match=r"certificate of other\.example is not accepted"
        ) as caught:
            send(PAYLOAD, other)
        assert caught.value.hint == "name the server as its certificate does"
    assert site.heard == heard


def test_a_certificate_of_nobody_we_know_is_refused_and_nothing_is_said(site: Site) -> None:
    with pytest.raises(HostError, match="is not accepted: self-signed certificate") as caught:
        send(PAYLOAD, Route(carrier=Carrier.HTTPS, host="127.0.0.1", port=site.port))
    assert "--ca-file" in caught.value.hint
    assert site.heard == b""


@pytest.mark.parametrize("days", [-400, 400])
def test_of_a_certificate_that_is_over_or_not_yet_good_the_clock_is_asked_for(
    tmp_path: Path, days: int
) -> None:
    site = Site(certificate(tmp_path, NAME, "127.0.0.1", shifted=timedelta(days=days)))
    try:
        route = Route(
            carrier=Carrier.HTTPS, host="127.0.0.1", port=site.port, authorities=site.authority
        )
        with pytest.raises(HostError, match="expired" if days < 0 else "not yet valid") as caught:
            send(PAYLOAD, route)
    finally:
        site.listener.close()
    assert caught.value.hint.startswith("see that this machine's clock is right")
    assert site.heard == b""


@pytest.mark.parametrize("name", [".example", "a..example", f"{'x' * 70}.example"])
def test_a_name_that_no_certificate_can_have_is_an_error(site: Site, name: str) -> None:
    with relaying({name: "127.0.0.1"}) as relay:
        by = Relay(RelayKind.SOCKS5, "127.0.0.1", relay.port)
        route = Route(carrier=Carrier.HTTPS, host=name, port=site.port, relay=by)
        with pytest.raises(HostError, match="is no name that a certificate can have"):
            send(PAYLOAD, route)
    assert site.heard == b""


def test_what_does_not_speak_tls_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            channel, _ = listener.accept()
            with channel:
                channel.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                channel.recv(4096)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(HostError, match=r"127\.0\.0\.1 does not speak TLS as it should"):
            send(
                PAYLOAD,
                Route(carrier=Carrier.HTTPS, host="127.0.0.1", port=listener.getsockname()[1]),
            )


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), ("hello\n", "holds no certificate")],
)
def test_a_file_without_certificates_is_told_of_before_anything_is_done(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, "ascii")
    route = Route(carrier=Carrier.HTTPS, host="h", port=443, authorities=str(path))
    with pytest.raises(HostError) as caught:
        require(route)
    assert str(caught.value).startswith(f"{path}: {reason}\n")
