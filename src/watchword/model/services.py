"""Transport protocols and the services behind them."""

from __future__ import annotations

from enum import StrEnum

from watchword.record import record


class Proto(StrEnum):
    """A protocol that has ports."""

    TCP = "tcp"
    UDP = "udp"

    @property
    def number(self) -> int:
        """The protocol number of the IP header."""
        return 6 if self is Proto.TCP else 17


@record
class Service:
    """One protocol and port, for example ``tcp/22``."""

    proto: Proto
    port: int
    """1 to 65535."""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is outside 1 to 65535")

    def __str__(self) -> str:
        return f"{self.proto}/{self.port}"

    def __lt__(self, other: Service) -> bool:
        return (self.proto, self.port) < (other.proto, other.port)

    def __hash__(self) -> int:
        """Cheaper than that of a dataclass: services are looked up for every packet."""
        return self.port << 1 | (self.proto is Proto.TCP)

    @classmethod
    def parse(cls, text: str) -> Service:
        """Read ``proto/port``, protocol in any case. Raises ValueError with the offending text."""
        proto, slash, port = text.partition("/")
        if not slash or not (port.isascii() and port.isdecimal() and len(port) <= 5):
            raise ValueError(f"{text!r} is not of the form proto/port")
        if proto.lower() not in ("tcp", "udp"):
            raise ValueError(f"{proto!r} in {text!r} is neither tcp nor udp")
        return cls(Proto(proto.lower()), int(port))
