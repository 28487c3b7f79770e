"""A neighbour's program: holds many connections to a port, and makes more all the time.

What it is called with: address, port, how many it holds, and what each says, in hexadecimal digits,
or ``random``: 48 bytes, as long as a proof. Each is closed when so many have been made after it.
Says ``there`` when it holds them. Ends after five minutes at the latest.
"""

import os
import socket
import sys
import time
from collections import deque

address, port, number, said = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
held: deque[socket.socket] = deque()
made, end = 0, time.monotonic() + 300
while time.monotonic() < end:
    one = socket.socket()
    one.settimeout(1)
    try:
        one.connect((address, port))
        octets = os.urandom(48) if said == "random" else bytes.fromhex(said)
        if octets:
            one.send(octets)
    except OSError:
        one.close()
        continue
    made += 1
    held.append(one)
    if len(held) > number:
        held.popleft().close()
    if made == number:
        print("there", flush=True)
