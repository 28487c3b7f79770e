"""A neighbour's program: begins a connection to every port of a range, as fast as it can.

What it is called with: address, first and last port. Prints the first port that answers.
"""

import os
import resource
import selectors
import socket
import sys
import time

address, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
under_way = selectors.DefaultSelector()
begun: dict[int, socket.socket] = {}


def look(seconds: float) -> None:
    """Says which port has answered, and ends; forgets those that cannot be reached."""
    for key, _ in under_way.select(seconds):
        if not begun[key.data].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            print(key.data, flush=True)
            os._exit(0)
        forget(key.data)


def forget(port: int) -> None:
    one = begun.pop(port)
    under_way.unregister(one)
    one.close()


for port in range(first, last + 1):
    if len(begun) > most - 100:
        forget(next(iter(begun)))
    one = begun[port] = socket.socket()
    one.setblocking(False)
    one.connect_ex((address, port))
    under_way.register(one, selectors.EVENT_WRITE, port)
    if port % 200 == 0:
        look(0)
end = time.monotonic() + 60
while time.monotonic() < end:
    look(0.2)
