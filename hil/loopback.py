"""Ports of this machine's own address, for programs of the bench that meet there.

A port is given out once: whoever it was given to may not listen there yet, and a look does not see
that. Its number is taken as the name of an abstract socket too, which all processes of the same
network see, and which vanishes with the process that holds it. The last HELD_MAX are held.
"""

import os
import random
import socket
from collections import deque

# Below those that a kernel gives to whoever names none (ip_local_port_range, 32768 on): between the
# look and its use such a port is taken by any connection.
PORTS = range(20_000, 32_000)
TRIES = 64
HELD_MAX = 256  # whoever drew one listens there long before so many more are drawn
_held: deque[int] = deque()  # descriptors, the oldest first


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of the loopback that was free a moment ago, and was given to nobody else; for
    datagrams: SOCK_DGRAM. Raises OSError where there is none."""
    for port in random.sample(PORTS, TRIES):
        with socket.socket(socket.AF_UNIX) as hold, socket.socket(type=kind) as probe:
            try:
                hold.bind(f"\0gridseal-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _held.append(hold.detach())
        while len(_held) > HELD_MAX:
            os.close(_held.popleft())
        return port
    raise OSError(f"no free port among {TRIES} of {PORTS.start} to {PORTS.stop - 1}")
