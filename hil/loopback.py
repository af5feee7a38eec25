"""Ports of this machine's own address, for programs of the bench that meet there."""

import random
import socket

# Below those that a kernel gives to whoever names none (ip_local_port_range, 32768 on): between the
# look and its use such a port is taken by any connection.
PORTS = range(20_000, 32_000)
TRIES = 64


def free_port() -> int:
    """A port of the loopback that was free a moment ago. Raises OSError where there is none."""
    for port in random.sample(PORTS, TRIES):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port among {TRIES} of {PORTS.start} to {PORTS.stop - 1}")
