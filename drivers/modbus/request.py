"""The requests of blocks, encoded by pymodbus, the version that the extra `modbus` pins.

1. pymodbus encodes and frames; what it made is read back by our own decoder before it is ever used,
   so that another release cannot make a read into something else.
2. It is loaded here, when a line is opened, and nowhere else in the product.

Nothing is sent here.
"""

import importlib.util
from collections.abc import Sequence

from drivers.line import FrameError, LinkError
from drivers.modbus.adu import Framing, Request, read_request
from evidence.config import ConfigError


def check_installed(library: str, place: str) -> None:
    """Whether a library of the extra is there; it is not loaded. Raises ConfigError."""
    if importlib.util.find_spec(library) is None:
        text = f"needs {library}, which is not installed: gridseal[modbus] brings it"
        raise ConfigError(place, "", text)


def encode(framing: Framing, requests: Sequence[Request]) -> list[bytes]:
    """The ADU of each; over TCP with transaction 0. Raises LinkError."""
    try:
        from pymodbus.framer import FramerRTU, FramerSocket
        from pymodbus.pdu import DecodePDU, bit_message, register_message
    except ImportError as fault:
        raise LinkError(f"pymodbus 3.16 is needed ({fault}): install gridseal[modbus]") from fault
    made = {
        1: bit_message.ReadCoilsRequest,
        2: bit_message.ReadDiscreteInputsRequest,
        3: register_message.ReadHoldingRegistersRequest,
        4: register_message.ReadInputRegistersRequest,
    }
    framer = (FramerSocket if framing is Framing.TCP else FramerRTU)(DecodePDU(False))
    encoded = []
    for request in requests:
        unit, function, address, length = request
        raw = framer.buildFrame(made[function](dev_id=unit, address=address, count=length))
        if not _is(framing, raw, request):
            raise LinkError(f"pymodbus made {raw.hex()} of {request}: another version than 3.16?")
        encoded.append(raw)
    return encoded


def _is(framing: Framing, raw: bytes, request: Request) -> bool:
    try:
        return read_request(framing, raw) == request
    except FrameError:
        return False
