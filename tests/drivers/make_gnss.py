"""Makes the vectors of GNSS receivers: python -m tests.drivers.make_gnss

UBX messages are made by pyubx2 from their fields, sentences by hand with their checksum; RTCM is
the example of the standard. Nothing here is the driver's.
"""

import struct
from functools import reduce
from operator import xor
from pathlib import Path

from pyubx2 import GET, UBXMessage

ITOW = 345_618_000 + 250  # Thursday 00:00:00.25 UTC, 18 s of leap seconds
FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "gnss"


def ubx(group: str, name: str, **said: float) -> bytes:
    return bytes(UBXMessage(group, f"{group}-{name}", GET, **said).serialize())


def nmea(text: str) -> bytes:
    return b"$%s*%02X\r\n" % (text.encode(), reduce(xor, text.encode(), 0))


def satellites() -> dict[str, int]:
    rows = [(0, 5, 47, 1), (0, 12, 41, 1), (2, 3, 38, 1), (6, 9, 22, 0), (3, 20, 0, 0)]
    said: dict[str, int] = {"numSvs": len(rows)}
    for at, (system, satellite, level, used) in enumerate(rows, 1):
        said |= {
            f"gnssId_{at:02}": system,
            f"svId_{at:02}": satellite,
            f"cno_{at:02}": level,
            f"svUsed_{at:02}": used,
        }
    return said


def mon_rf() -> bytes:
    blocks = ((1, 2, 11, 5200, 90), (2, 4, 180, 3100, 140))
    said: dict[str, int] = {"nBlocks": len(blocks)}
    for at, (jamming, antenna, indicator, agc, noise) in enumerate(blocks, 1):
        said |= {
            f"jammingState_{at:02}": jamming,
            f"antStatus_{at:02}": antenna,
            f"jamInd_{at:02}": indicator,
            f"agcCnt_{at:02}": agc,
            f"noisePerMS_{at:02}": noise,
        }
    return ubx("MON", "RF", **said)


def mon_ver() -> bytes:
    payload = b"EXT CORE 1.00 (94e56e)".ljust(30, b"\0") + b"00190000".ljust(10, b"\0")
    payload += b"FWVER=TIM 2.20".ljust(30, b"\0") + b"PROTVER=29.20".ljust(30, b"\0")
    return bytes(UBXMessage("MON", "MON-VER", GET, payload=payload).serialize())


DATE = {"year": 2026, "month": 11, "day": 26, "hour": 0, "min": 0, "second": 0}
VALID = {"validDate": 1, "validTime": 1, "fullyResolved": 1}
PLACE = {"lat": 46.948, "lon": -7.4474001, "height": 600_123, "hAcc": 901, "vAcc": 1302}
VECTORS = {
    "nav_pvt": (
        "NAV-PVT at 10 Hz: a quarter of a second, 12 ns early.",
        ubx(
            "NAV", "PVT", iTOW=ITOW, **DATE, nano=249_999_988, **VALID, tAcc=23, fixType=3,
            gnssFixOk=1, numSV=17, **PLACE,
        ),
    ),
    "nav_pvt_leap": (
        "NAV-PVT within the leap second at the end of 2016: 23:59:60.",
        ubx(
            "NAV", "PVT", iTOW=17_000, year=2016, month=12, day=31, hour=23, min=59, second=60,
            **VALID, tAcc=23, fixType=3, gnssFixOk=1, **PLACE,
        ),
    ),
    "nav_pvt_cold": (
        "NAV-PVT of a receiver that was just switched on.",
        ubx("NAV", "PVT", iTOW=1000, tAcc=0xFFFF_FFFF, hAcc=0xFFFF_FFFF, vAcc=0xFFFF_FFFF),
    ),
    "nav_status": (
        "NAV-STATUS: several signs of spoofing.",
        ubx("NAV", "STATUS", iTOW=ITOW, gpsFix=3, gpsFixOk=1, spoofDetState=3),
    ),
    "nav_sat": (
        "NAV-SAT: five satellites of four systems, three of them used, one without a signal.",
        ubx("NAV", "SAT", iTOW=ITOW, version=1, **satellites()),
    ),
    "nav_timels": (
        "NAV-TIMELS: 18 s learnt from GPS, one more in an hour.",
        ubx(
            "NAV", "TIMELS", iTOW=ITOW, srcOfCurrLs=2, currLs=18, srcOfLsChange=2, lsChange=1,
            timeToLsEvent=3600, validCurrLs=1, validTimeToLsEvent=1,
        ),
    ),
    "nav_svin": ("NAV-SVIN: under way.", ubx("NAV", "SVIN", iTOW=ITOW, dur=60, active=1)),
    "nav_eoe": ("NAV-EOE.", ubx("NAV", "EOE", iTOW=ITOW)),
    "tim_tp": (
        "TIM-TP: the pulse will be 3.217 ns early, on the grid of GPS time.",
        ubx("TIM", "TP", towMS=345_619_000, qErr=-3217, week=2446, utc=1, raim=2),
    ),
    "tim_tp_unlocked": (
        "TIM-TP of a pulse that runs free.",
        ubx("TIM", "TP", towMS=1000, week=2446, timeBase=1, qErrInvalid=1, TpNotLocked=1),
    ),
    "mon_rf": ("MON-RF: the second block is jammed, its antenna open.", mon_rf()),
    "mon_ver": ("MON-VER of a ZED-F9T.", mon_ver()),
    "sec_sig_1": (
        "SEC-SIG version 1: jammed, no fix.",
        ubx("SEC", "SIG", version=1, jamDetEnabled=1, jammingState=3, spfDetEnabled=1,
            spoofingState=1),
    ),
    "sec_sig_2": (
        "SEC-SIG version 2: spoofing indicated, jamming not watched.",
        ubx("SEC", "SIG", version=2, jammingState=3, spfDetEnabled=1, spoofingState=2,
            jamNumCentFreqs=0),
    ),
    "valget_tmode": (
        "CFG-VALGET: CFG-TMODE-MODE is 2, fixed.",
        bytes(
            UBXMessage(
                "CFG", "CFG-VALGET", GET,
                payload=struct.pack("<BBHIB", 1, 0, 0, 0x20030001, 2),
            ).serialize()
        ),
    ),
    "rmc": ("RMC.", nmea("GNRMC,000000.25,A,4656.88000,N,00726.84400,W,0.01,,261126,,,A,V")),
    "rmc_leap": (
        "RMC within the leap second at the end of 2016.",
        nmea("GNRMC,235960.00,A,4656.88000,N,00726.84400,W,0.01,,311216,,,A,V"),
    ),
    "gga": ("GGA.", nmea("GNGGA,000000.25,4656.88000,N,00726.84400,W,1,12,0.7,552.9,M,47.2,M,,")),
    "zda": ("ZDA.", nmea("GNZDA,000000.25,26,11,2026,00,00")),
    "rtcm_1005": (
        "RTCM 10403 4.2: the standard's example of message 1005.",
        bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98"),
    ),
}  # fmt: skip


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, (text, raw) in VECTORS.items():
        lines = [f"# {text}", "# by tests/drivers/make_gnss.py, no seed"]
        lines += [raw.hex()[at : at + 64] for at in range(0, 2 * len(raw), 64)]
        (FOLDER / f"{name}.hex").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
