"""Where the page listens: this machine, or the one port that is meant for maintenance.

1. A wildcard is refused: it would listen at the station's network too.
2. With an interface it listens at that interface's address, and hears nothing that came in by
   another: Linux takes packets for an address from every interface, unless the socket is bound to
   one (socket(7), SO_BINDTODEVICE).
3. Who asks by another name than this address is refused (`names`): a site elsewhere could have its
   name lead here (DNS rebinding).

It speaks no protocol.
"""

import errno
import fcntl
import ipaddress
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from provisioning.argument import UsageError, whole

PORT = 8444  # the record's is 8443, in what `init` writes
_BACKLOG = 16
_SIOCGIFADDR = 0x8915  # netdevice(7)
_INTERFACE_MAX = 15  # characters: IFNAMSIZ, and its end
_INET6 = Path("/proc/net/if_inet6")
_REMEDIES = {
    errno.EADDRINUSE: "; is a page open already? Else say --listen with another port",
    errno.EADDRNOTAVAIL: "; say an address of this machine: ip -brief address tells them",
    errno.EACCES: "; say a port above 1023",
}
_WILDCARD = "a wildcard listens at every port of this machine, the station's network too"


@dataclass(frozen=True, slots=True)
class Address:
    """`host`: an IP address, or localhost; `interface`: the one that is heard, empty for any."""

    host: str
    port: int
    interface: str = ""

    def url(self, port: int) -> str:
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{port}/"

    def names(self) -> frozenset[str]:
        """What may stand in Host, without a port: who comes through a tunnel has another one."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        if self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback:
            return frozenset({own, "localhost", "127.0.0.1", "[::1]"})
        return frozenset({own})


def listen(text: str) -> Address:
    """HOST:PORT as it is typed. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host:
        raise UsageError(f"--listen {text!r}: expected HOST:PORT, such as 127.0.0.1:{PORT}")
    number = whole("--listen, its port:", port)
    if number > 65535:
        raise UsageError(f"--listen {text!r}: port {number}; expected 0 to 65535")
    if host == "localhost":
        return Address(host, number)
    try:
        found = ipaddress.ip_address(host)
    except ValueError as fault:
        what = "expected an address of this machine, not a name"
        raise UsageError(f"--listen {text!r}: {what}, such as 192.168.2.1:{PORT}") from fault
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped  # ::ffff:0.0.0.0 is a wildcard too
    if found.is_unspecified:
        what = "say the address of the maintenance port, or --interface"
        raise UsageError(f"--listen {text!r}: {_WILDCARD}; {what}")
    if found.is_multicast:
        raise UsageError(f"--listen {text!r}: many listen there; say one address")
    return Address(str(found), number)


def of_interface(name: str, port: int = PORT) -> Address:
    """The address of an interface. Raises UsageError."""
    known = [name for _, name in socket.if_nameindex()]
    if not name or len(name) > _INTERFACE_MAX or name not in known:
        raise UsageError(f"--interface {name!r} is not there; there are: {', '.join(known)}")
    host = _ipv4(name) or _ipv6(name)
    if not host:
        add = f"ip address add 192.168.2.1/24 dev {name}"
        raise UsageError(f"--interface {name!r} has no address; give it one, such as: {add}")
    return Address(host, port, name)


def opened(address: Address) -> socket.socket:
    """A socket that listens there. Raises UsageError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    host = "127.0.0.1" if address.host == "localhost" else address.host
    heard = socket.socket(family, socket.SOCK_STREAM)
    try:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.interface:
            name = address.interface.encode() + b"\0"
            heard.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
        heard.bind((host, address.port))
        heard.listen(_BACKLOG)
        heard.setblocking(False)
    except OSError as fault:
        heard.close()
        what = _REMEDIES.get(fault.errno or 0, "")
        text = f"cannot listen at {host}, port {address.port}: {fault.strerror}{what}"
        raise UsageError(text) from fault
    return heard


def _ipv4(name: str) -> str:
    """The interface's first IPv4 address; empty: none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            told = fcntl.ioctl(asked, _SIOCGIFADDR, struct.pack("256s", name.encode()))
        except OSError:
            return ""
    return socket.inet_ntoa(told[20:24])  # struct ifreq: the name, then a sockaddr_in


def _ipv6(name: str) -> str:
    """Its first IPv6 address that a browser can be told: not link-local, which needs a scope."""
    try:
        lines = _INET6.read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    for fields in map(str.split, lines):
        if fields[-1] == name:
            found = ipaddress.IPv6Address(bytes.fromhex(fields[0]))
            if not found.is_link_local:
                return str(found)
    return ""
