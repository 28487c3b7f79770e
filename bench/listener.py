"""The service that hides: accepts on a TCP port and hangs up. ``python -m bench.listener PORT``."""

from __future__ import annotations

import socket
import sys


def main() -> None:
    with socket.create_server(("", int(sys.argv[1])), backlog=4096) as service:
        while True:
            connection, _ = service.accept()
            connection.close()


if __name__ == "__main__":
    main()
