"""Where the page is heard, and by which names it may be asked for.

1. In the clear to this machine only: 127.0.0.0/8, ::1, localhost. There is no login, and what a
   station measures is no business of whoever shares its network.
2. A page is asked for by a name of this machine, whatever the port: a tunnel has a port of its own.
   Another name is that of another's page that a browser was led here by (DNS rebinding).

It opens nothing.
"""

import socket
from typing import NamedTuple

DEFAULT = "127.0.0.1:8460"
EXPECTED = f"expected HOST:PORT of this machine, such as {DEFAULT} (port 0: any free one)"
BRACKETS = "an address of IPv6 stands in brackets, such as [::1]:8460"
PORT_MAX = 65_535  # RFC 9293 3.1: 16 bits
ELSEWHERE = (
    "is not of this machine, and the page has no login: reach it through"
    " ssh -L 8460:127.0.0.1:8460 GATEWAY, or a proxy that asks who it is"
)


class Address(NamedTuple):
    """Of this machine: numbers, not a name."""

    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def url(self, port: int) -> str:
        """`port`: as the system gave it."""
        return (
            f"http://[{self.host}]:{port}/" if ":" in self.host else f"http://{self.host}:{port}/"
        )


def read(text: str) -> Address:
    """Raises ValueError, in words."""
    host, told = _parted(text)
    if host and told is None:
        raise ValueError(f"{text!r} names no port: {EXPECTED}")
    port = _port(told)
    if not host or port is None:
        more = f"; {BRACKETS}" if text.count(":") > 1 else ""
        raise ValueError(f"{text!r}: {EXPECTED}{more}")
    if not is_own(host):
        raise ValueError(f"{text!r} {ELSEWHERE}")
    return Address("127.0.0.1" if host.lower() == "localhost" else host, port)


def is_own(host: str) -> bool:
    """Whether a host, without brackets, is this machine and no other: 127.0.0.0/8 (RFC 1122
    3.2.1.3), ::1 (RFC 4291 2.5.3), or localhost (RFC 6761 6.3).
    """
    if host.lower() == "localhost":
        return True
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        packed = socket.inet_pton(family, host)
    except (OSError, ValueError):  # ValueError: a null in it
        return False
    return packed[0] == 127 if len(packed) == 4 else packed == bytes(15) + b"\x01"


def names_own(authority: str) -> bool:
    """Whether a Host header names this machine, with a port or without."""
    host, port = _parted(authority)
    return is_own(host) and (port is None or _port(port) is not None)


def _port(text: str | None) -> int | None:
    """As digits of ASCII say it: int() takes others, and signs, too."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 5:
        return None
    return int(text) if int(text) <= PORT_MAX else None


def _parted(text: str) -> tuple[str, str | None]:
    """Host, without brackets, and port; None where none is named. No host where it is neither."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        named, port = rest[:1], rest[1:]
        # What stands in brackets is IPv6 (RFC 3986 3.2.2).
        sound = bool(closed) and ":" in host and named in ("", ":")
    else:
        host, named, port = text.partition(":")
        sound = ":" not in port
    return (host, port if named else None) if sound else ("", None)
