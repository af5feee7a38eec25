"""What stands before two utilities share a record: site plans that say where each current goes,
credentials that grant it, one anchors.toml for all, and two witnesses.

1. It begins with what provisioning's `init` made for each gateway, and goes on as a site would: the
   plan is edited, the credential renewed by the authority's own function, and in its book.
2. Both authorities are founders of the record (BA of their footprint). The record names its
   witnesses, the anchors their policy: both have to cosign.
3. Where a current goes is what the scenario says (`into`); a bus's and a terminal's mRID are the
   plan's, and a seam is made of these.

It starts nothing and says nothing to the record.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

from agent import config as agent_config
from drivers.keystore import file as keyfile
from evidence import cbor, siteplan
from evidence.code import SeamKind
from evidence.joint.seam import Line, Seam, Side
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN
from evidence.tlog.note import COSIGNATURE, Verifier
from hil.live import kind, site
from hil.live.sheet import Device
from hil.loopback import free_port
from hil.power import case
from provisioning.authority import folder as authority_folder
from provisioning.authority import renew
from provisioning.init import ANCHORS, CREDENTIAL, RECORD, SITE, InitResult
from record import config as record_config

WITNESSES = 2
VALID_DAYS = 365
RATED_KV, RATED_A = 230.0, 2000.0
_PHASES = ("A", "B", "C")
_PT, _CT = (230_000, 115), (2000, 5)  # primary and secondary
WITNESS_FILE = "witness.toml"


@dataclass(frozen=True, slots=True)
class End:
    """One end of a branch: whose it is, and by which mRIDs its plan calls it."""

    authority: str
    node: bytes
    terminal: bytes


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
        done.made[name] = replace(one, credential=_renewed(folder / name, its, done.ends, now_s))
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
        ohm = RATED_KV**2 / grid.base_mva
        line = Line(branch.r * ohm, branch.x * ohm, branch.b / ohm, None)
        sides = (_side(one), _side(other))
        made.append(Seam(f"Tie {name}", SeamKind.LINE, sides, line))
    return made


def _side(end: End) -> Side:
    return Side(end.authority, end.authority, end.node, end.terminal, RATED_KV, RATED_A)


# --- a gateway's plan and credential --------------------------------------------------------------


def _renewed(
    folder: Path, devices: Sequence[Device], ends: dict[str, dict[str, End]], now_s: int
) -> bytes:
    """The name of the credential that grants what the plan says from now on."""
    path = folder / SITE
    text = path.read_text(encoding="utf-8")
    buses = {bus.name: bus.mrid for bus in siteplan.read(text, SITE).bus}
    held = agent_config.read_credential(folder / CREDENTIAL)
    for one in devices:
        if not kind.KINDS[one.kind].frames or not one.into:
            continue
        known = ends.setdefault(one.into, {})
        if str(one.bus) in known:
            continue  # a second PMU of this end: of its bus, and of no terminal
        terminal = uuid4()
        node = UUID(buses[site.bus_name(one.bus)]).bytes
        known[str(one.bus)] = End(held.says.issuer, node, terminal.bytes)
        block = f'[[stream]]\nsource = "{one.name}"\nbus = "{site.bus_name(one.bus)}"\n'
        text = text.replace(block, block + _channels(str(terminal), one.with_))
    path.write_text(text, encoding="utf-8")
    plan = siteplan.read(text, SITE)
    root = authority_folder.root_signer(folder, None)
    with authority_folder.writing(folder, root, BUILT_IN.tai_ns(now_s)) as authority:
        row = renew.renewed(authority, held, plan, root, (now_s, VALID_DAYS), os.urandom)
    (folder / CREDENTIAL).write_bytes(cbor.encode([row.credential, row.pairs]))
    return row.name


def _channels(terminal: str, said: Mapping[str, object]) -> str:
    """Three voltages of the bus, three currents into the branch."""
    rows = []
    for phase in _PHASES:
        rows.append(_channel(f"V{phase}", phase, _PT, said.get("vt_class", ""), ""))
    for phase in _PHASES:
        where = f'terminal = "{terminal}"\ndirection = "in"\n'
        rows.append(_channel(f"I{phase}", phase, _CT, said.get("ct_class", ""), where))
    return "".join(rows)


def _channel(name: str, phase: str, ratio: tuple[int, int], accuracy: object, where: str) -> str:
    text = f'[[stream.channel]]\nname = "{name}"\nphase = "{phase}"\nratio = {list(ratio)}\n'
    return text + (f'accuracy = "{accuracy}"\n' if accuracy else "") + where


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
