"""Where currents go, in a gateway's plan: what a technician writes into it, and the credential that
the authority renews for it.

1. It begins with what `init` made: each PMU that is said to be rated has its bus there. Its
   currents get a terminal with an mRID of its own, each channel its phase, ratio and class.
2. The credential is renewed by the authority's own function, and in its book.
3. `end_of` is what the plan says: whoever has the file knows the mRIDs.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from agent import config as agent_config
from evidence import cbor, siteplan
from evidence.leap import BUILT_IN
from hil.live import site
from hil.live.sheet import Device
from provisioning.authority import folder as authority_folder
from provisioning.authority import renew
from provisioning.init import CREDENTIAL, SITE

VALID_DAYS = 365
_PHASES = ("A", "B", "C")
_SECONDARY_V, _SECONDARY_A = 115, 5


@dataclass(frozen=True, slots=True)
class Rated:
    """The primaries of a PMU's transformers."""

    kv: float  # between phases
    amperes: float


@dataclass(frozen=True, slots=True)
class End:
    """One end of a branch: whose it is, and by which mRIDs its plan calls it."""

    authority: str
    node: bytes
    terminal: bytes


def placed(
    folder: Path, devices: Sequence[Device], rated: Mapping[str, Rated], now_s: int
) -> bytes:
    """Writes them into the plan of a gateway's folder; the name of the credential that grants it.

    Raises RefusedError, RequestError, PlacementError, ConfigError, KeyStoreError, OSError.
    """
    path = folder / SITE
    text = path.read_text(encoding="utf-8")
    held = agent_config.read_credential(folder / CREDENTIAL)
    for one in devices:
        if one.name not in rated:
            continue
        block = f'[[stream]]\nsource = "{one.name}"\nbus = "{site.bus_name(one.bus)}"\n'
        channels = _channels(str(uuid4()), one.with_, rated[one.name])
        text = text.replace(block, block + channels)
    path.write_text(text, encoding="utf-8")
    plan = siteplan.read(text, SITE)
    root = authority_folder.root_signer(folder, None)
    with authority_folder.writing(folder, root, BUILT_IN.tai_ns(now_s)) as authority:
        row = renew.renewed(authority, held, plan, root, (now_s, VALID_DAYS), os.urandom)
    (folder / CREDENTIAL).write_bytes(cbor.encode([row.credential, row.pairs]))
    return row.name


def end_of(folder: Path, device: Device) -> End:
    """Of a PMU whose terminal stands in the plan. Raises ConfigError, OSError."""
    plan = siteplan.read((folder / SITE).read_text(encoding="utf-8"), SITE)
    held = agent_config.read_credential(folder / CREDENTIAL)
    buses = {bus.name: bus.node() for bus in plan.bus}
    stream = next(one for one in plan.stream if one.source == device.name)
    terminal = next(one.terminal for one in stream.channel if one.terminal)
    return End(held.says.issuer, buses[site.bus_name(device.bus)], UUID(terminal).bytes)


def _channels(terminal: str, said: Mapping[str, object], rated: Rated) -> str:
    """Three voltages of the bus, three currents into the branch."""
    rows = []
    volts, amps = (round(rated.kv * 1000), _SECONDARY_V), (round(rated.amperes), _SECONDARY_A)
    for phase in _PHASES:
        rows.append(_channel(f"V{phase}", phase, volts, said.get("vt_class", ""), ""))
    for phase in _PHASES:
        where = f'terminal = "{terminal}"\ndirection = "in"\n'
        rows.append(_channel(f"I{phase}", phase, amps, said.get("ct_class", ""), where))
    return "".join(rows)


def _channel(name: str, phase: str, ratio: tuple[int, int], accuracy: object, where: str) -> str:
    text = f'[[stream.channel]]\nname = "{name}"\nphase = "{phase}"\nratio = {list(ratio)}\n'
    return text + (f'accuracy = "{accuracy}"\n' if accuracy else "") + where
