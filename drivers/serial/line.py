"""A serial line, opened for whatever protocol is spoken on it, and closed again.

1. pyserial opens the port, locks it (flock(2), which other serial programs look at) and sets it.
   Ours is what it does not do: 2 to 4, and the driver's counters.
2. What was asked for is read back: a driver that cannot do a speed takes another, and says nothing.
3. Every failure is a LinkError that says in words what to do. A device file that is gone may come
   back: whoever opens again finds it.
4. A read with nothing there is EAGAIN, so that one of no bytes is a line that was hung up.
5. Nothing is sent here. What is set is this machine's: speed, direction of RS-485, latency.

It knows no protocol and never reconnects. pyserial is loaded when a line is opened, not before.
"""

import contextlib
import errno
import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

from drivers.line import Clock, LinkError
from drivers.port import Port
from drivers.serial import device, trouble
from drivers.serial.option import LineOptions

if TYPE_CHECKING:
    from serial import Serial
    from serial.rs485 import RS485Settings

# asm-generic/ioctls.h and termbits.h of Linux: Python's termios knows neither the counters nor a
# speed as a number. x86-64 and aarch64 have the same numbers.
_TIOCGICOUNT = 0x545D
_TCGETS2 = 0x802C542A
_TERMIOS2 = struct.Struct("=8xI28xI")  # c_cflag and c_ospeed of struct termios2

BAUD_TOLERANCE = 0.02  # a UART hears ten bits by one start edge: 5 % in all, sender included


class SerialPort(Port):
    """The open line: bytes as they arrive, and what the line itself knows when nothing is heard."""

    def __init__(self, line: "Serial", clock: Clock, options: LineOptions) -> None:
        self.options, self._line = options, line
        self._before = _counters(line.fileno())
        super().__init__(line.fileno(), clock, line.close)

    def trouble(self, frames: int) -> str:
        """Why it may be that only so many good frames have come, in words; empty when unknown."""
        counted = None
        if self._before is not None and not self._closed:
            now = _counters(self._fd)
            counted = now.since(self._before) if now is not None else None
        said = trouble.verdict(self.options, self.heard_bytes, frames, counted)
        others = device.others_with(self.options.path)
        return "; ".join(filter(None, (said, others and f"{others} has it open, too")))

    def rate(self, baud: int) -> None:
        """Another speed, from the next octet on. Raises LinkError: this machine cannot do it."""
        try:
            self._line.baudrate = baud  # pyserial sets all that it knows of
            _set(self._line, self.options)
        except (OSError, ValueError, termios.error) as fault:
            raise LinkError(f"{self.options.path}: {_why_not(self.options, fault)}") from fault

    def lost(self, fault: OSError | None) -> LinkError:
        """The kernel hangs a line up when its device is gone."""
        path = self.options.path
        if not os.path.exists(path):
            return LinkError(f"{path} is gone: was it unplugged?")
        said = "hung up" if fault is None or fault.errno == errno.EIO else fault.strerror
        return LinkError(f"{path}: {said}")


def open_line(options: LineOptions, clock: Clock) -> SerialPort:
    """The line, ours and set. To be called in the running loop. Raises LinkError."""
    try:
        with contextlib.ExitStack() as undo:
            line = _opened(options)
            undo.callback(line.close)
            _set(line, options)
            port = SerialPort(line, clock, options)
            undo.pop_all()
    except (OSError, ValueError, termios.error) as fault:  # pyserial raises all three
        raise LinkError(f"{options.path}: {_why_not(options, fault)}") from fault
    return port


def _opened(options: LineOptions) -> "Serial":
    """By pyserial; raises what it raises."""
    from serial import Serial

    # A pseudo-terminal has neither parity nor byte size, and carries every byte. Asked for one, the
    # C library says nothing the first time and EINVAL the second (pyserial, issue 196).
    pseudo = device.is_pseudo(os.stat(options.path).st_rdev)
    bytesize, parity = (8, "none") if pseudo else (options.bytesize, options.parity)
    return Serial(
        options.path,
        options.baud,
        bytesize=bytesize,
        parity=parity[0].upper(),
        stopbits=options.stopbits,
        timeout=0,
        exclusive=True,
    )


def _set(line: "Serial", options: LineOptions) -> None:
    """What is not said on opening. Raises LinkError, and what pyserial raises."""
    fd, path = line.fileno(), options.path
    if options.rs485 == "kernel":
        try:
            line.rs485_mode = turning(options)
        except ValueError as fault:
            raise LinkError(
                f'{path}: its driver cannot turn RS-485 around; rs485 = "transceiver" leaves it to'
                f" an adapter that does so by itself ({fault})"
            ) from fault
    if (device.latency_ms(path) or 0) > device.LATENCY_MS_MAX:
        # One that will not is told of by device.notes, and costs as much of `heard`.
        with contextlib.suppress(ValueError):
            line.set_low_latency_mode(True)
    attributes = termios.tcgetattr(fd)
    # pyserial leaves some of what was set before it: BRKINT throws away what waits, IMAXBEL sends.
    # No INPCK: a byte with an error is handed on as it came, for the frame's check word to judge.
    attributes[0] = attributes[1] = attributes[3] = 0
    attributes[6][termios.VMIN] = 1
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    raw = bytearray(_TERMIOS2.size)
    fcntl.ioctl(fd, _TCGETS2, raw)
    if refused := unmet(line, *_TERMIOS2.unpack(raw)):
        raise LinkError(f"{path}: its driver cannot do {refused}")


def turning(options: LineOptions) -> "RS485Settings":
    """RTS opens the transmitter while something is sent, which we do not hear; no delay changes."""
    from serial.rs485 import RS485Settings

    high = options.rts_on_send == "high"
    return RS485Settings(rts_level_for_tx=high, rts_level_for_rx=not high)


def unmet(line: "Serial", cflag: int, baud: int) -> str:
    """What a driver did otherwise than asked, in words; empty when nothing that matters."""
    if abs(baud - line.baudrate) > BAUD_TOLERANCE * line.baudrate:
        return f"{line.baudrate} baud: it set {baud}"
    parity = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}[line.parity]
    size = {7: termios.CS7, 8: termios.CS8}[line.bytesize]
    for mask, asked, name in (
        (termios.CSIZE, size, "that byte size"),
        (termios.PARENB | termios.PARODD, parity, "that parity"),
        (termios.CSTOPB, termios.CSTOPB * (line.stopbits == 2), "so many stop bits"),
    ):
        if cflag & mask != asked:
            return name
    return ""


def _why_not(options: LineOptions, fault: Exception) -> str:
    # Of a port that opens and cannot be set, only the fault behind pyserial's has the number.
    first = [arg for each in (fault, fault.__context__) if each for arg in each.args[:1]]
    match number := next((arg for arg in first if isinstance(arg, int)), 0):
        case errno.ENOENT | errno.ENOTDIR | errno.ENODEV | errno.ENXIO:
            return device.absence(options.path)
        case errno.EACCES | errno.EPERM:
            return device.permission(options.path)
        case errno.EBUSY | errno.EAGAIN:
            return device.in_use(options.path)
        case errno.ENOTTY | errno.EISDIR:
            return "not a serial port"
        case errno.EIO:
            return "the kernel knows the port, and no hardware answers behind it"
        case errno.EINVAL:
            framing = f"{options.bytesize} bits, parity {options.parity}"
            return f"its driver refuses {options.baud} baud, {framing}"
    return os.strerror(number) if number else str(fault)


def _counters(fd: int) -> trouble.Counters | None:
    """What the driver has counted; None where it does not count."""
    raw = bytearray(trouble.ICOUNTER_BYTES)
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, _TIOCGICOUNT, raw)
        return trouble.counters(bytes(raw))
    return None
