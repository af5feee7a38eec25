"""A serial line, opened for whatever protocol is spoken on it, and closed again.

1. The line is ours alone: by flock(2), which other serial programs look at, and by TIOCEXCL, which
   the kernel enforces. A pseudo-terminal has the lock only: its far end keeps the terminal, so
   TIOCEXCL would outlive a process that was killed.
2. What was asked for is read back: a driver that cannot do a speed takes another, and says nothing.
3. Every failure is a LinkError that says in words what to do. A device file that is gone may come
   back: whoever opens again finds it.
4. Nothing is sent here. What is set is this machine's: speed, direction of RS-485, latency.

It knows no protocol and never reconnects.
"""

import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from typing import NamedTuple

from drivers import line_trouble, serial_device
from drivers.line import Clock, LinkError
from drivers.port import Port
from drivers.serial_option import LineOptions

# asm-generic/ioctls.h and termbits.h of Linux, which Python's termios does not have: they set any
# speed, and all of a line at once. x86-64 and aarch64 have the same numbers.
_TCGETS2, _TCSETS2 = 0x802C542A, 0x402C542B
_BOTHER = 0o010000
_TERMIOS2 = struct.Struct("=4IB19s2I")
_TIOCGRS485, _TIOCSRS485 = 0x542E, 0x542F
_RS485 = struct.Struct("=3I20x")  # flags, delay_rts_before_send, delay_rts_after_send
_RS485_ENABLED, _RS485_ON_SEND, _RS485_AFTER_SEND, _RS485_RX_DURING_TX = 1, 2, 4, 16
_TIOCGEXCL = 0x80045440
_TIOCGICOUNT = 0x545D
_SERIAL_BYTES = 128  # serial_struct has 72
_SERIAL_FLAGS = struct.Struct("=16xI")  # after type, line, port, irq
_ASYNC_LOW_LATENCY = 1 << 13

BAUD_TOLERANCE = 0.02  # a UART hears ten bits by one start edge: 5 % in all, sender included


class Attributes(NamedTuple):
    """struct termios2: how a line is set."""

    iflag: int
    oflag: int
    cflag: int
    lflag: int
    discipline: int
    characters: bytes
    ispeed: int
    ospeed: int


class SerialPort(Port):
    """The open line: bytes as they arrive, and what the line itself knows when nothing is heard."""

    def __init__(
        self, fd: int, clock: Clock, release: Callable[[], None], options: LineOptions
    ) -> None:
        self.options = options
        self._before = _counters(fd)
        super().__init__(fd, clock, release)

    def trouble(self, frames: int) -> str:
        """Why it may be that only so many good frames have come, in words; empty when unknown."""
        counted = None
        if self._before is not None and not self._closed:
            now = _counters(self._fd)
            counted = now.since(self._before) if now is not None else None
        said = line_trouble.verdict(self.options, self.heard_bytes, frames, counted)
        others = serial_device.others_with(self.options.path)
        return "; ".join(filter(None, (said, others and f"{others} has it open, too")))

    def lost(self, fault: OSError | None) -> LinkError:
        """The kernel hangs a line up when its device is gone."""
        path = self.options.path
        if not os.path.exists(path):
            return LinkError(f"{path} is gone: was it unplugged?")
        said = "hung up" if fault is None or fault.errno == errno.EIO else fault.strerror
        return LinkError(f"{path}: {said}")


def open_line(options: LineOptions, clock: Clock) -> SerialPort:
    """The line, ours and set. To be called in the running loop. Raises LinkError."""
    path = options.path
    fd = _opened(path)
    claimed = ready = False
    try:
        pseudo = serial_device.is_pseudo(os.fstat(fd).st_rdev)
        _attributes(fd, path)
        _lock(fd, path)
        if not pseudo:
            _claim(fd, path)
            claimed = True
        _set(fd, options, pseudo)
        if options.rs485 == "kernel":
            _turn_by_kernel(fd, options)
        _quicken(fd, path)
        termios.tcflush(fd, termios.TCIFLUSH)  # heard before us, at another speed perhaps
        port = SerialPort(fd, clock, lambda: _release(fd, claimed), options)
        ready = True
        return port
    except termios.error as fault:
        raise LinkError(f"{path}: {fault.args[-1]}") from fault
    finally:
        if not ready:
            _release(fd, claimed)


def _opened(path: str) -> int:
    try:
        # Without O_NONBLOCK a port without carrier keeps us waiting for ever.
        return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        raise LinkError(f"{path}: {_why_not(path, fault)}") from fault
    except ValueError as fault:  # a NUL in it
        raise LinkError(f"{path!r}: {fault}") from fault


def _why_not(path: str, fault: OSError) -> str:
    match fault.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.ENODEV | errno.ENXIO:
            return serial_device.absence(path)
        case errno.EACCES | errno.EPERM:
            return serial_device.permission(path)
        case errno.EBUSY:
            return serial_device.in_use(path)
        case errno.EISDIR:
            return "not a serial port"
        case errno.EIO:
            return "the kernel knows the port, and no hardware answers behind it"
    return fault.strerror or str(fault)


def _attributes(fd: int, path: str) -> Attributes:
    raw = bytearray(_TERMIOS2.size)
    try:
        fcntl.ioctl(fd, _TCGETS2, raw)
    except OSError as fault:
        if fault.errno in (errno.ENOTTY, errno.EINVAL):
            raise LinkError(f"{path}: not a serial port") from fault
        raise LinkError(f"{path}: {_why_not(path, fault)}") from fault
    return Attributes(*_TERMIOS2.unpack(raw))


def _lock(fd: int, path: str) -> None:
    """Ours, for all who look. Raises LinkError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        raise LinkError(f"{path}: {serial_device.in_use(path)}") from fault
    except OSError as fault:
        raise LinkError(f"{path}: cannot be locked: {fault.strerror}") from fault


def _claim(fd: int, path: str) -> None:
    """Ours, for all. Raises LinkError."""
    taken = bytearray(4)
    try:
        fcntl.ioctl(fd, _TIOCGEXCL, taken)
        # Root passes by it; we do not, but for one that somebody who was killed has left behind.
        if any(taken) and serial_device.others_with(path):
            raise LinkError(f"{path}: {serial_device.in_use(path)}")
        fcntl.ioctl(fd, termios.TIOCEXCL)
    except OSError as fault:
        raise LinkError(f"{path}: cannot be claimed: {fault.strerror}") from fault


def _release(fd: int, claimed: bool) -> None:
    """The kernel keeps TIOCEXCL for as long as anybody has the port open."""
    with contextlib.suppress(OSError):  # hung up: there is nothing to release
        if claimed:
            fcntl.ioctl(fd, termios.TIOCNXCL)
    os.close(fd)


_SIZES = {7: termios.CS7, 8: termios.CS8}
_PARITIES = {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}
_CHECKED = termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB


def _set(fd: int, options: LineOptions, pseudo: bool) -> None:
    """Raw bytes at the speed asked for; read back. Raises LinkError."""
    path = options.path
    found = _attributes(fd, path)
    asked = wanted(found, options)
    try:
        fcntl.ioctl(fd, _TCSETS2, _TERMIOS2.pack(*asked))
    except OSError as fault:
        settings = f"{options.baud} baud, {options.bytesize} bits, parity {options.parity}"
        raise LinkError(f"{path}: its driver refuses {settings}: {fault.strerror}") from fault
    refused = unmet(asked, _attributes(fd, path), pseudo)
    if refused:
        raise LinkError(f"{path}: its driver cannot do {refused}")


def wanted(found: Attributes, options: LineOptions) -> Attributes:
    """How a line is to be set: bytes as they are, no flow control, no line discipline."""
    cflag = found.cflag & ~(termios.CBAUD | termios.CIBAUD | termios.CRTSCTS | _CHECKED)
    cflag |= _BOTHER | termios.CLOCAL | termios.CREAD
    cflag |= _SIZES[options.bytesize] | _PARITIES[options.parity]
    cflag |= termios.CSTOPB if options.stopbits == 2 else 0
    characters = bytearray(found.characters)
    # A read with nothing there is EAGAIN then, and of no bytes only on a line that was hung up.
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    # No INPCK: a byte with an error is handed on as it came, for the frame's check word to judge.
    # Drivers count it all the same.
    return Attributes(0, 0, cflag, 0, 0, bytes(characters), options.baud, options.baud)


def unmet(asked: Attributes, got: Attributes, pseudo: bool) -> str:
    """What a driver did otherwise than asked, in words; empty when nothing that matters."""
    if abs(got.ospeed - asked.ospeed) > BAUD_TOLERANCE * asked.ospeed:
        return f"{asked.ospeed} baud: it set {got.ospeed}"
    if pseudo:
        return ""  # knows neither parity nor size, and carries every byte
    for mask, name in (
        (termios.CSIZE, "that byte size"),
        (termios.PARENB | termios.PARODD, "that parity"),
        (termios.CSTOPB, "so many stop bits"),
    ):
        if (asked.cflag ^ got.cflag) & mask:
            return name
    return ""


def _turn_by_kernel(fd: int, options: LineOptions) -> None:
    """RS-485: RTS opens the transmitter for as long as something is sent. Raises LinkError."""
    refusal = (
        f'{options.path}: its driver cannot turn RS-485 around; rs485 = "transceiver" leaves it to'
        " an adapter that does so by itself"
    )
    raw = bytearray(_RS485.size)
    try:
        fcntl.ioctl(fd, _TIOCGRS485, raw)
        fcntl.ioctl(fd, _TIOCSRS485, turning(bytes(raw), options.rts_on_send == "high"))
        fcntl.ioctl(fd, _TIOCGRS485, raw)
    except OSError as fault:
        raise LinkError(f"{refusal} ({fault.strerror})") from fault
    if not _RS485.unpack(raw)[0] & _RS485_ENABLED:
        raise LinkError(refusal)


def turning(found: bytes, high: bool) -> bytes:
    """serial_rs485 with the kernel turning the line, its delays left as the driver has them.

    What we send ourselves is not to be heard.
    """
    flags, before, after = _RS485.unpack(found)
    flags &= ~(_RS485_ON_SEND | _RS485_AFTER_SEND | _RS485_RX_DURING_TX)
    flags |= _RS485_ENABLED | (_RS485_ON_SEND if high else _RS485_AFTER_SEND)
    return _RS485.pack(flags, before, after)


def _quicken(fd: int, path: str) -> None:
    """Asks a USB adapter to hand bytes on at once.

    One that will not is told of by serial_device.notes, and costs as much of `heard`, no more.
    """
    waits = serial_device.latency_ms(path)
    if waits is None or waits <= serial_device.LATENCY_MS_MAX:
        return
    raw = bytearray(_SERIAL_BYTES)
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, termios.TIOCGSERIAL, raw)
        fcntl.ioctl(fd, termios.TIOCSSERIAL, quickened(bytes(raw)))


def quickened(found: bytes) -> bytes:
    """serial_struct with ASYNC_LOW_LATENCY: FTDI's driver then sets its latency timer to 1 ms."""
    (flags,) = _SERIAL_FLAGS.unpack_from(found)
    at = _SERIAL_FLAGS.size - 4
    return found[:at] + struct.pack("=I", flags | _ASYNC_LOW_LATENCY) + found[at + 4 :]


def _counters(fd: int) -> line_trouble.Counters | None:
    """What the driver has counted; None where it does not count."""
    raw = bytearray(line_trouble.ICOUNTER_BYTES)
    try:
        fcntl.ioctl(fd, _TIOCGICOUNT, raw)
    except OSError:
        return None
    return line_trouble.counters(bytes(raw))
