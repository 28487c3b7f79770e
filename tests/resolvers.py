"""Doubles of what is asked for one's own address: a web server with and without TLS, a STUN
server, a name server. They speak by themselves or by other people's libraries, never by ours.
"""

from __future__ import annotations

import datetime
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def page(text: str, status: str = "200 OK", *fields: str) -> bytes:
    """An answer of a web server that closes afterwards."""
    lines = (f"HTTP/1.1 {status}", "Content-Type: text/plain", *fields)
    return "\r\n".join((*lines, "", text)).encode()


class Double:
    """A server on one port of loopback, for one test."""

    def __init__(self, kind: socket.SocketKind, host: str, port: int = 0) -> None:
        self.channel = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.channel.bind((host, port))
        self.channel.settimeout(30)
        self.port: int = self.channel.getsockname()[1]
        self.heard: list[bytes] = []

    def run(self, serve: Callable[[], None]) -> threading.Thread:
        def until_closed() -> None:
            try:
                while True:
                    serve()
            except OSError:
                return

        thread = threading.Thread(target=until_closed, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Wakes who waits on the socket, too."""
        with suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        self.channel.close()


@contextmanager
def web(
    answers: Sequence[bytes], *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1",
    port: int = 0, hang: bool = False, ragged: bool = False,
) -> Iterator[Double]:  # fmt: skip
    """A web server that gives one answer after the other; the last again and again.

    ``hang``: it says what it says and then neither more nor goodbye. ``ragged``: over TLS, it
    hangs up without saying that this is all.
    """
    double = Double(socket.SOCK_STREAM, host, port)
    double.channel.listen()
    held: list[socket.socket] = []

    def serve() -> None:
        peer, _ = double.channel.accept()
        peer.settimeout(30)
        try:
            if tls is not None:
                peer = tls.wrap_socket(peer, server_side=True)
            double.heard.append(peer.recv(4096))
            peer.sendall(answers[min(len(double.heard), len(answers)) - 1])
            if hang:
                held.append(peer)
                return
            if isinstance(peer, ssl.SSLSocket) and not ragged:
                peer = peer.unwrap()
        except OSError:
            pass
        peer.close()

    double.run(serve)
    try:
        yield double
    finally:
        double.close()
        for each in held:
            each.close()


@contextmanager
def datagrams(answer: Callable[[bytes, str], Sequence[bytes]], host: str) -> Iterator[Double]:
    """A server that answers each datagram of an address with any number of datagrams."""
    double = Double(socket.SOCK_DGRAM, host)

    def serve() -> None:
        question, sender = double.channel.recvfrom(4096)
        double.heard.append(question)
        for each in answer(question, str(sender[0])):
            double.channel.sendto(each, sender)

    double.run(serve)
    try:
        yield double
    finally:
        double.close()


def stun_answer(question: bytes, address: str) -> bytes:
    """What a STUN server says: the address, masked as RFC 8489, 14.2, has it."""
    seen = ip_address(address)
    transaction = question[8:20]
    mask = struct.pack("!I", 0x2112A442) + transaction
    masked = bytes(one ^ two for one, two in zip(seen.packed, mask, strict=False))
    value = struct.pack("!BBH", 0, 1 if seen.version == 4 else 2, 0) + masked
    attribute = struct.pack("!HH", 0x0020, len(value)) + value
    return struct.pack("!HHI", 0x0101, len(attribute), 0x2112A442) + transaction + attribute


def dns_answer(question: bytes, kind: str, *texts: str) -> dns.message.Message:
    """What a name server says: records of the name it was asked for."""
    asked = dns.message.from_wire(question)
    answer = dns.message.make_response(asked)
    answer.flags |= dns.flags.AA
    if texts:
        answer.answer.append(dns.rrset.from_text(asked.question[0].name, 1, "IN", kind, *texts))
    return answer


class Authority:
    """A throw-away CA, and certificates of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self.file = folder / "ca.pem"
        certificate = self._certificate(self._name, self._key, [], ca=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, *names: str) -> ssl.SSLContext:
        """What a server of these names and addresses speaks TLS with."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._certificate(subject, key, names, ca=False)
        path = self._folder / f"server-{certificate.serial_number}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, names: Sequence[str], *, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            alternative = x509.SubjectAlternativeName([_general(each) for each in names])
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
