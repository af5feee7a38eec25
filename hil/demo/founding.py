"""What stands before two utilities share a record: site plans that say where each current goes,
credentials that grant it, one anchors.toml for all, and two witnesses.

1. It begins with what provisioning's `init` made for each gateway, and goes on as a site would: the
   plan is edited, the credential renewed by the authority's own function, and in its book.
2. Both authorities are founders of the record (BA of their footprint). The record names its
   witnesses, the anchors their policy: both have to cosign.
3. Where a current goes is what the scenario says (`into`); a bus's and a terminal's mRID are the
   plan's, and a seam is made of these.
4. A relay that stands in a branch says of its terminal whether the breaker is closed: without that
   an open circuit would be settled by the law of a closed one. A breaker by GOOSE is told with its
   maker's file, so that the members of its data set have names.

It starts nothing and says nothing to the record.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from agent import config as agent_config
from drivers.keystore import file as keyfile
from evidence.code import SeamKind
from evidence.joint.seam import Line, Seam, Side
from evidence.key import Ed25519Key
from evidence.tlog.note import COSIGNATURE, Verifier
from hil.live import kind, site, terminal
from hil.live.sheet import Device
from hil.live.terminal import End, Rated
from hil.loopback import free_port
from hil.power import case
from provisioning.init import ANCHORS, CREDENTIAL, GATEWAY, RECORD, SITE, InitResult
from record import config as record_config
from record.settle.switchgear import CLOSED

WITNESSES = 2
RATED = Rated(230.0, 2000.0)
WITNESS_FILE = "witness.toml"
# The point of a relay's map (hil/devices/modbus/relay.toml) that says it.
RELAYS = {"modbus-tcp": "breaker_closed", "modbus-rtu": "breaker_closed"}
RELAY_MAP = "relay.toml"
_MAP = re.compile(rf'  map = "(.*{re.escape(RELAY_MAP)})"\n')
SCL, GOCB_REF = Path(__file__).parent / "breaker.cid", "IED1LD0/LLN0$GO$gcb1"


@dataclass(frozen=True, slots=True)
class WitnessAt:
    """A witness's folder, and where it listens."""

    name: str
    folder: Path
    url: str


@dataclass(slots=True)
class Founded:
    """What came of it. `ends`: of each branch, by the bus."""

    made: dict[str, InitResult]
    ends: dict[str, dict[str, End]]
    witnesses: list[WitnessAt]


def found(
    devices: Sequence[Device], made: Mapping[str, InitResult], folder: Path, now_s: int
) -> Founded:
    """Raises RefusedError, RequestError, PlacementError, ConfigError, KeyStoreError, OSError."""
    done = Founded(dict(made), {}, [])
    for name, one in made.items():
        its = [device for device in devices if device.gateway == name]
        frames = [row for row in its if kind.KINDS[row.kind].frames and row.into]
        # A second PMU of an end is of its bus, and of no terminal.
        placed = list({(row.into, str(row.bus)): row for row in reversed(frames)}.values())
        rated = dict.fromkeys((row.name for row in placed), RATED)
        credential = terminal.placed(folder / name, placed, rated, now_s)
        done.made[name] = replace(one, credential=credential)
        for row in placed:
            done.ends.setdefault(row.into, {})[str(row.bus)] = terminal.end_of(folder / name, row)
        _switched(folder / name, its, done.ends)
        _named(folder / name)
    _share(done, folder)
    return done


def seams(case_name: str, ends: Mapping[str, Mapping[str, End]]) -> list[Seam]:
    """A seam for each branch that two authorities measure, in the order of the names."""
    grid = case.load(case_name)
    made = []
    for name, of in sorted(ends.items()):
        branch = next(one for one in grid.branch if one.name == name)
        one, other = of.get(branch.begin), of.get(branch.end)
        if one is None or other is None or one.authority == other.authority:
            continue
        ohm = RATED.kv**2 / grid.base_mva
        line = Line(branch.r * ohm, branch.x * ohm, branch.b / ohm, None)
        sides = (_side(one), _side(other))
        made.append(Seam(f"Tie {name}", SeamKind.LINE, sides, line))
    return made


def _side(end: End) -> Side:
    return Side(end.authority, end.authority, end.node, end.terminal, RATED.kv, RATED.amperes)


def _switched(
    folder: Path, devices: Sequence[Device], ends: Mapping[str, Mapping[str, End]]
) -> None:
    """Relays say whether a PMU's terminal is connected (record.settle.switchgear)."""
    path = folder / SITE
    text = path.read_text(encoding="utf-8")
    for row in devices:
        end = ends.get(row.into, {}).get(str(row.bus))
        if row.kind not in RELAYS or end is None:
            continue
        block = f'[[stream]]\nsource = "{row.name}"\nbus = "{site.bus_name(row.bus)}"\n'
        channel = f'[[stream.channel]]\nname = "{RELAYS[row.kind]}"\n'
        channel += f'terminal = "{UUID(bytes=end.terminal)}"\ndirection = "in"\n'
        text = text.replace(block, block + channel)
    path.write_text(text, encoding="utf-8")


def _named(folder: Path) -> None:
    """What is heard by GOOSE, with the file that names it; relays, with a map of the site's own,
    in which the breaker's point has the unit that settling knows."""
    path = folder / GATEWAY
    text = path.read_text(encoding="utf-8")
    told = f'  gocbref = "{GOCB_REF}"\n'
    text = text.replace(told, f'{told}  scl = "{SCL}"\n')
    if found := _MAP.search(text):
        known = Path(found[1]).read_text(encoding="utf-8")
        for point in set(RELAYS.values()):
            known = known.replace(f'name = "{point}"\n', f'name = "{point}"\nunit = "{CLOSED}"\n')
        (folder / RELAY_MAP).write_text(known, encoding="utf-8")
        text = text.replace(found[0], f'  map = "{RELAY_MAP}"\n')
    path.write_text(text, encoding="utf-8")


# --- record, anchors, witnesses -------------------------------------------------------------------


def _share(done: Founded, folder: Path) -> None:
    """Witnesses, and who believes whom: the same anchors in every folder."""
    of_record = folder / site.RECORD_DIR
    log = record_config.read_record(of_record / RECORD).publishing.log
    policy = [f"log {log.vkey()}"]
    rows = ["\n[log]\npublish_s = 0.5\nquorum = 2\n"]
    for number in range(1, WITNESSES + 1):
        at = folder / f"witness-{number}"
        at.mkdir(mode=0o700)
        seed = os.urandom(keyfile.SEED_BYTES)
        (at / "witness.key").touch(mode=keyfile.MODE)
        (at / "witness.key").write_bytes(keyfile.encode(seed))
        name, listen = f"witness-{number}.demo.invalid", f"127.0.0.1:{free_port()}"
        told = (
            f'[witness]\nname = "{name}"\nlisten = "{listen}"\n\n[[log]]\nvkey = "{log.vkey()}"\n'
        )
        (at / WITNESS_FILE).write_text(told, encoding="utf-8")
        vkey = Verifier(name, COSIGNATURE, Ed25519Key(seed).public).vkey()
        done.witnesses.append(WitnessAt(name, at, f"http://{listen}"))
        policy.append(f"witness w{number} {vkey}")
        rows.append(f'\n[[witness]]\nurl = "http://{listen}"\nvkey = "{vkey}"\n')
    members = " ".join(f"w{number}" for number in range(1, WITNESSES + 1))
    policy += [f"group both all {members}", "quorum both", ""]
    path = of_record / RECORD
    path.write_text(path.read_text(encoding="utf-8") + "".join(rows), encoding="utf-8")
    anchors = _anchors(done.made, "\n".join(policy), of_record)
    for where in (*(folder / name for name in done.made), of_record):
        (where / ANCHORS).write_text(anchors, encoding="utf-8")


def _anchors(made: Mapping[str, InitResult], policy: str, of_record: Path) -> str:
    """As they were, with the roles of founders, and the witnesses."""
    before = record_config.read_anchors(of_record / ANCHORS)
    text = f'witness_policy = """\n{policy}"""\n\n'
    text += f'[log]\nname = "{before.log}"\nkey = "{before.log_key.raw.hex()}"\n'
    for one in made.values():
        held = agent_config.read_credential(one.folder / CREDENTIAL)
        name = held.says.issuer
        text += f'\n[[authority]]\nname = "{name}"\nkey = "{one.authority.raw.hex()}"\n'
        text += f'roles = ["BA"]\nfootprints = ["{name}"]\n'
    return text
