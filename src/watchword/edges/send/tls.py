"""TLS: whose certificates are believed, and the handshake.

Certificates and names are always verified; there is no switch.
"""

from __future__ import annotations

import ssl
from functools import cache

from watchword.edges import certificates
from watchword.edges.send.connections import Connection
from watchword.edges.send.sent import NOT_SENT
from watchword.errors import HostError


@cache
def context(authorities: str) -> ssl.SSLContext:
    """How a server is verified; empty: by the system's certificates. Raises HostError."""
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = "holds no certificate" if isinstance(error, ssl.SSLError) else str(error.args[-1])
        raise HostError(
            f"{authorities}: {reason}\n{NOT_SENT}",
            hint="name a file with certificates in PEM: --ca-file FILE",
        ) from error


def secured(connection: Connection, host: str, authorities: str) -> Connection:
    """The same connection, encrypted, to a server that has proved to be this host.

    Raises HostError: it has not; OSError.
    """
    channel = connection.channel
    channel.settimeout(connection.deadline.left())
    try:
        wrapped = context(authorities).wrap_socket(channel, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise HostError(
            f"send_spa_packet: the certificate of {host} is not accepted: "
            f"{error.verify_message}\n{NOT_SENT}",
            hint=certificates.remedy(error),
        ) from error
    except ssl.SSLError as error:
        raise HostError(
            f"send_spa_packet: {host} does not speak TLS as it should: "
            f"{error.reason or 'nothing said'}\n{NOT_SENT}",
            hint="check the port, or use -P http",
        ) from error
    except ValueError as error:
        raise HostError(
            f"send_spa_packet: {host} is no name that a certificate can have\n{NOT_SENT}",
            hint="name the server as its certificate does",
        ) from error
    return Connection(wrapped, connection.place, connection.deadline)
