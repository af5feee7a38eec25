"""The configuration files that `init` writes: what is set, and beside it what is edited next.

1. Nothing here is believed for looking right: provisioning.init reads it back before it is placed.
2. Values are names that were checked to be printable, so that a JSON string is a TOML string too.

It reads and writes no file.
"""

import json
from collections.abc import Mapping, Sequence

from drivers.url import Option
from evidence.key import PublicKey
from evidence.siteplan import Bus, Survey
from provisioning.source import SourceRequest

_EXAMPLE_SOURCE = """
# No source yet. Remove the # of one of these and say where your PMU is;
# then add its [[stream]] to site.toml.
# [[source]]
# name = "pmu-a"
# scheme = "c37118+tcp"
#   [source.options]
#   host = "192.0.2.7"
#   port = 4712
#   idcode = 7
#
# [[source]]
# name = "pmu-b"
# scheme = "c37118+serial"
#   [source.options]
#   path = "/dev/ttyUSB0"
#   baud = 115200
#   idcode = 8
"""
_EXAMPLE_STREAM = """
# One for each [[source]] of gateway.toml: the bus that its channels belong to.
# [[stream]]
# source = "pmu-a"
# bus = {bus}
# frame_bytes = 126
# rate = 60
"""
_MORE_OF_STREAMS = """
# More that a [[stream]] may say, by example:
# path_ms = 20                     # from the device to this gateway, at most
# time_bound_ns = 1000             # how far its clock is off when locked, where its frames do not
# time_document = "PMU 500 data sheet C, 4.2"    # say (PMU_TQ 0, 2005): only with who says so
#   [[stream.channel]]
#   name = "IA"                    # as the device calls it
#   phase = "A"
#   ratio = [1200, 5]              # of its transformer, primary and secondary
#   accuracy = "0.2S"              # its class; burden and core are signed too
#   burden = "2.5 VA"
#   burden_va = 2.5                # the same in figures, with its power factor: a class holds from
#   burden_power_factor = 1.0      # 25 % of the rated burden on, and a correction at what it was
#   rated_burden_va = 10           # tested at
#   rating_factor = 1.2            # how many times the rated value the class holds to
#   wiring = "wye"                 # or "delta", "open-delta", "single"; for the pre-flight, as is
#   rated = 1200                   # A or V, primary
#   [stream.channel.correction]    # on file, and in figures: what was tested, at which burden
#   file = "ct.pdf"
#   sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#   uncertainty_ppm = 200
#   point = [
#     { load_percent = 5, burden_va = 2.5, power_factor = 1, ratio_ppm = -1200, phase_urad = 900 },
#     { load_percent = 120, burden_va = 2.5, power_factor = 1, ratio_ppm = -300, phase_urad = 250 },
#   ]
# A channel may also have its own bus, its terminal (the CIM mRID) and direction: "in", positive
# into the terminal's equipment, or "out". A bus, terminal or direction that is added needs a new
# credential: gridseal-provision authority renew --help
"""
_MORE_OF_SITE = """\
# nominal_hz = 60                  # and in which order the phases follow: "ABC" or "ACB"
# rotation = "ABC"
"""
_MORE_OF_BUSES = """
# More that a [[bus]] may say, by example; all of it is hidden in what is signed, or not signed:
# nominal_kv = 345                 # between phases
# psse = 12345                     # its number in the PSS/E case
# eic = "10T-AT-DE-00008Y"         # its EIC, with the check character
# aliases = ["NRTH 345"]           # whatever else it is called
# offset_mm = [-1500, 20000, 0]    # of the bus from the antenna: east, north, up
"""
_ANTENNA = """
# What is between antenna and receiver, as far as it was looked at.
# [site.antenna]
# cable_delay_ns = 150             # 5 ns a metre of usual cable
# splitter = true                  # or its make and type: "Meinberg 1:4"; false: there is none
# splitter_delay_ns = 3
"""
_EXAMPLE_SURVEY = """
# The antenna's surveyed position. The credential of this folder was made without one.
# [site.survey]
# latitude = 52.5163       # WGS84, degrees
# longitude = 13.3777
# altitude_m = 79.0
# accuracy_m = 0.5         # 1 sigma
# method = "RTK, 30 min"   # hidden in what is signed, as the position is
# epoch = 2026.4           # of the coordinates, in years; the datum is WGS84
"""


def gateway(name: str, url: str, sources: Sequence[SourceRequest], simulated: bool) -> str:
    """gateway.toml."""
    text = f"""# What this gateway is told. Check it with: gridseal-agent check

[gateway]
name = {_string(name)}
plan = "site.toml"
credential = "credential.cbor"
key = "file:device.key"

[record]
url = {_string(url)}
anchors = "anchors.toml"

[clock]
sources = ["kernel:"]      # or "chrony:", "ptp:", ...; receivers among [[source]] count as well

[spool]
path = "spool.db"
keep_days = 10
"""
    text += "".join(one_source(source, simulated) for source in sources)
    return text if sources else text + _EXAMPLE_SOURCE


def one_source(source: SourceRequest, simulated: bool = False) -> str:
    """A [[source]] of gateway.toml."""
    text = f"\n[[source]]\nname = {_string(source.name)}\nscheme = {_string(source.scheme)}\n"
    return text + ("simulated = true\n" if simulated else "") + _options(source.options)


def one_stream(source: str, more: Mapping[str, Option]) -> str:
    """A [[stream]] of site.toml."""
    text = f"\n[[stream]]\nsource = {_string(source)}\n"
    return text + "".join(f"{key} = {_value(value)}\n" for key, value in more.items())


def site(
    name: str, survey: Survey | None, buses: Sequence[Bus], streams: Sequence[tuple[str, str]]
) -> str:
    """site.toml. `streams`: source and bus, by name."""
    text = "# What stands where. Names are hidden in what is signed; mRIDs are not.\n\n"
    text += f"[site]\nname = {_string(name)}\n{_MORE_OF_SITE}"
    if survey is None:
        text += _EXAMPLE_SURVEY
    else:
        text += f"""
[site.survey]
latitude = {float(survey.latitude)!r}
longitude = {float(survey.longitude)!r}
altitude_m = {float(survey.altitude_m)!r}    # above the ellipsoid, as receivers say it
accuracy_m = {float(survey.accuracy_m)!r}    # 1 sigma
method = {_string(survey.method)}
"""
    text += _ANTENNA
    text += "\n# The credential grants these buses and no other: one more needs a new credential.\n"
    text += "\n".join(
        f"[[bus]]\nname = {_string(bus.name)}\nmrid = {_string(bus.mrid)}\n" for bus in buses
    )
    text += _MORE_OF_BUSES
    if not streams:
        text += _EXAMPLE_STREAM.format(bus=_string(buses[0].name) if buses else '""')
        return text + _MORE_OF_STREAMS
    text += (
        "\n# frame_bytes and rate in a [[stream]] let `gridseal-agent check` judge a serial line.\n"
    )
    for source, bus in streams:
        text += f"\n[[stream]]\nsource = {_string(source)}\nbus = {_string(bus)}\n"
    return text + _MORE_OF_STREAMS


def anchors(log: tuple[str, PublicKey], authority: tuple[str, PublicKey]) -> str:
    """anchors.toml: log and authority, each a name and its key."""
    return f"""# Whom to believe. Compare the fingerprints with those that init printed.

[log]
name = {_string(log[0])}
# fingerprint {log[1].fingerprint}
key = "{log[1].raw.hex()}"

[[authority]]
name = {_string(authority[0])}
# fingerprint {authority[1].fingerprint}
key = "{authority[1].raw.hex()}"
"""


def record(listen: str) -> str:
    """record.toml."""
    return f"""# What the record is told.

[record]
listen = {_string(listen)}
store = "record.db"
key = "file:log.key"
anchors = "anchors.toml"
"""


def _options(options: Mapping[str, Option]) -> str:
    if not options:
        return ""
    return "  [source.options]\n" + "".join(
        f"  {key} = {_value(value)}\n" for key, value in options.items()
    )


def _value(value: Option) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else _string(value)


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
