"""What may be sent to a device, written a second time, from the standards and not from the product:
whatever code under drivers/ wrote in a test must stand here.

1. IEEE C37.118.2-2011 6.5, Table 15: commands 1 to 6, in a frame of 18 bytes with a good CHK.
2. IEEE 1344-1995 commands 1 to 5, in a frame of 16 bytes: SOC, IDCODE, CMD, CHK. The upper half of
   the IDCODE is 0, or it could be read as a data frame.
3. MODBUS Application Protocol V1.1b3 6.1 to 6.4: functions 1 to 4, over TCP or on a serial line.
4. u-blox F9 interface description (UBX-22008968), CFG-MSG, CFG-VALSET, MON-VER: message rates of
   this port, in RAM; polls of what it is and of its time mode. gpsd_json(5): ?WATCH, and no more.
5. firmware_bridge/README.md and link.py: a board's link, packets 1 to 5 of the gateway's in COBS
   with CRC-32 (IEEE 802.3), each of its one length.
6. Records of TLS (RFC 8446 5.1) around what was seen before it was encrypted.

It knows nothing of drivers.asks.
"""

import struct

_RECORDS = range(20, 24)  # RFC 8446 5.1: change cipher spec, alert, handshake, application data


def name_of(data: bytes) -> str:
    """What is asked by these bytes; empty where nothing that may be."""
    for known in (_c37118, _ieee1344, _modbus_tcp, _modbus_rtu, _ublox, _gpsd, _board, _tls):
        name = known(data)
        if name:
            return name
    return ""


def _c37118(data: bytes) -> str:
    """SYNC, FRAMESIZE, IDCODE, SOC, FRACSEC, CMD, CHK; of the versions of 2005 and 2011."""
    if len(data) != 18 or data[0] != 0xAA or data[1] not in (0x41, 0x42):
        return ""
    size, command = struct.unpack_from(">H", data, 2)[0], struct.unpack_from(">H", data, 14)[0]
    good = size == 18 and _ccitt(data[:16]) == struct.unpack_from(">H", data, 16)[0]
    return f"C37.118 command {command}" if good and 1 <= command <= 6 else ""


def _ieee1344(data: bytes) -> str:
    if len(data) != 16 or data[4:8] != bytes(4):
        return ""
    command, chk = struct.unpack_from(">HH", data, 12)
    good = _ccitt(data[:14]) == chk
    return f"IEEE 1344 command {command}" if good and 1 <= command <= 5 else ""


def _modbus_tcp(data: bytes) -> str:
    if len(data) != 12 or data[2:6] != b"\0\0\0\6" or data[7] not in (1, 2, 3, 4):
        return ""
    return f"Modbus function {data[7]} over TCP"


def _modbus_rtu(data: bytes) -> str:
    if len(data) != 8 or not 1 <= data[0] <= 247 or data[1] not in (1, 2, 3, 4):
        return ""
    good = _modbus_crc(data[:6]) == struct.unpack_from("<H", data, 6)[0]
    return f"Modbus function {data[1]} on a serial line" if good else ""


_TOLD = bytes.fromhex("0103 0107 0126 0135 013b 0161 0a09 0a38 0d01 0d04 2709")
_READ = {_TOLD[at : at + 2] for at in range(0, len(_TOLD), 2)}
# CFG-MSGOUT: item, of UART1; UART2 and USB follow.
_ITEMS = (0x1B, 0x07, 0x61, 0x16, 0x89, 0x160, 0x35A, 0x17E, 0x635)
_KEYS = {0x20910000 + item + port for item in _ITEMS for port in range(3)}
_POLLS = ("0a040000", "063d0000", "06710000", "068b0800 00000000 01000320")


def _ublox(data: bytes) -> str:
    first = second = 0
    for byte in data[2:-2]:
        first = (first + byte) % 256
        second = (second + first) % 256
    if data[:2] != b"\xb5b" or data[-2:] != bytes([first, second]):
        return ""
    body = data[2:-2]
    if body in [bytes.fromhex(poll) for poll in _POLLS]:
        return "UBX poll"
    if body[:4] == b"\x06\x01\x03\0" and body[4:6] in _READ and len(body) == 7:
        return "UBX rate" if 1 <= body[6] <= 60 else ""
    if body[:2] == b"\x06\x8a" and body[4:8] == b"\0\1\0\0":
        items = [body[at : at + 5] for at in range(8, len(body), 5)]
        good = all(
            struct.unpack("<I", item[:4])[0] in _KEYS and 1 <= item[4] <= 60
            for item in items
            if len(item) == 5
        )
        return "UBX rates" if items and good and len(body) % 5 == 3 else ""
    return ""


def _gpsd(data: bytes) -> str:
    opening = b'?WATCH={"enable":true,"json":true,"raw":2'
    rest = data.removeprefix(opening)
    if rest == data or not rest.endswith(b"};\n"):
        return ""
    inside = rest[:-3]
    plain = inside.startswith(b',"device":"') and inside.endswith(b'"') and inside.count(b'"') == 4
    return "gpsd watch" if not inside or plain else ""


_PACKETS = {1: 8, 2: 18, 3: 12, 4: 12, 5: 8}


def _board(data: bytes) -> str:
    packets = data.split(b"\0")
    known = [_packet(each) for each in packets[:-1]]
    return "board's link" if known and all(known) and not packets[-1] else ""


def _packet(stuffed: bytes) -> bool:
    """COBS (Cheshire and Baker 1999), an octet at a time."""
    plain, left = [], 0
    for at, octet in enumerate(stuffed):
        if left == 0:
            if at:
                plain.append(0)
            left = octet
        else:
            plain.append(octet)
        left -= 1
    if left or len(plain) < 5 or len(plain) - 5 != _PACKETS.get(plain[0]):
        return False
    word = 0xFFFFFFFF
    for octet in plain[:-4]:
        word ^= octet
        for _ in range(8):
            word = (word >> 1) ^ (0xEDB88320 if word & 1 else 0)
    return list(struct.pack(">I", word ^ 0xFFFFFFFF)) == plain[-4:]


def _tls(data: bytes) -> str:
    at = 0
    while at + 5 <= len(data):
        kind, version, size = struct.unpack_from(">BHH", data, at)
        if kind not in _RECORDS or version not in (0x0301, 0x0303):
            return ""
        at += 5 + size
    return "TLS" if data and at == len(data) else ""


def _ccitt(data: bytes) -> int:
    """C37.118.2-2011 Annex B: x16 + x12 + x5 + 1, from all ones, bit by bit."""
    word = 0xFFFF
    for byte in data:
        word ^= byte << 8
        for _ in range(8):
            word = (word << 1) ^ (0x1021 if word & 0x8000 else 0)
        word &= 0xFFFF
    return word


def _modbus_crc(data: bytes) -> int:
    """Serial Line V1.02 6.2.2: x16 + x15 + x2 + 1 reflected, from all ones, bit by bit."""
    word = 0xFFFF
    for byte in data:
        word ^= byte
        for _ in range(8):
            word = (word >> 1) ^ (0xA001 if word & 1 else 0)
    return word
