"""What a gateway asks an authority for: a credential for its key and its site plan as it is now.

1. The key signs in its store, over a challenge that nobody used before.
2. A request is kept in the folder before it is handed over, in place of the one before: the newest
   counts.
3. Nothing is asked with a clock that was never set: the answer could not be judged by it.

Time and randomness come in by argument.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import config as agent_config
from agent.config import HeldCredential, Sketch
from agent.sealer import SOFTWARE
from drivers.keystore import uri as keystore
from drivers.keystore.uri import Ask
from evidence import cose, enrolment, rotation
from evidence.code import Reason, Typ
from evidence.credential import ROLES
from evidence.enrolment import Request
from evidence.key import Signer
from evidence.leap import NS
from evidence.refusal import EvidenceError
from provisioning import argument, credential
from provisioning.enrol import pending
from provisioning.enrol.pending import Pending
from provisioning.source import RequestError

Random = Callable[[int], bytes]
TLS_KEY = "tls.key"
GATEWAY = "gateway.toml"


@dataclass(frozen=True, slots=True)
class Place:
    """A gateway's folder as enrolment sees it. `held`: the credential that it has, if any."""

    folder: Path
    sketch: Sketch
    held: HeldCredential | None

    @property
    def tls_key(self) -> Path | None:
        """The key of its connections, where it has one."""
        named = self.sketch.file.record.certificate_key or TLS_KEY
        path = self.sketch.path(named)
        return path if path.exists() else None


def place(folder: Path) -> Place:
    """Reads the folder. Raises ConfigError."""
    sketch = agent_config.sketch(folder / GATEWAY)
    path = sketch.path(sketch.file.gateway.credential)
    return Place(folder, sketch, agent_config.read_credential(path) if path.exists() else None)


def tai(now_ns: int) -> int:
    """This instant, ns TAI. Raises RequestError(clock_unset)."""
    found = argument.tai(now_ns)
    if found < enrolment.EPOCH_TAI:
        here = f"this machine's clock says {credential.instant(now_ns // NS)}: it was never set"
        mend = "set it (timedatectl set-time, or chronyc makestep where a server or receiver is)"
        raise RequestError(f"{Reason.CLOCK_UNSET.name.lower()}: {here}; {mend}, and ask again")
    return found


def asked(of: Place, role: str, now_ns: int, random: Random, ask: Ask | None) -> Pending:
    """A request by the key that the gateway has. Raises RequestError, KeyStoreError."""
    at = tai(now_ns)
    told = of.sketch.file.gateway.key
    device = keystore.open_signer(told, of.folder, ask)
    if of.held is not None and of.held.says.key != device.public:
        text = f"is key {device.public.fingerprint[:16]}, the credential is for another"
        raise RequestError(f"{keystore.shown(told)} {text}; a key hands over by: rotate")
    return _pending(of, told, device, role, None, at, random)


def current(of: Place, waits: Pending, role: str, now_ns: int) -> bool:
    """Whether a request that waits still asks for what would be asked now. Raises RequestError."""
    tai(now_ns)
    asks, held = waits.request, of.held.name if of.held is not None else None
    plan = of.sketch.path(of.sketch.file.gateway.plan).read_bytes()
    own = asks.rotation is not None or waits.uri == of.sketch.file.gateway.key
    return (asks.plan, asks.credential, own) == (plan, held, True) and role in ("", asks.role)


def rotated(of: Place, to: str, now_ns: int, random: Random, ask: Ask | None) -> Pending:
    """A request by a next key, to which the gateway's key hands over. `to`: its URI.

    Raises RequestError, KeyStoreError.
    """
    at, held = tai(now_ns), check_rotates(of, to, now_ns)
    old = keystore.open_signer(of.sketch.file.gateway.key, of.folder, ask)
    if old.public != held.says.key:
        raise RequestError("the gateway's key is another than its credential is for")
    new = keystore.open_signer(to, of.folder, ask)
    if new.public == old.public:
        raise RequestError(f"{keystore.shown(to)} is the very key that is to hand over")
    over = rotation.rotation(held.name, new, at)
    encoded = cose.sign(Typ.ROTATION, over.payload(), old)
    return _pending(of, to, new, "", encoded, at, random)


def check_rotates(of: Place, to: str, now_ns: int) -> HeldCredential:
    """What can be said before the next key is made; whose credential it is. Raises RequestError."""
    tai(now_ns)
    if of.held is None:
        text = "has no credential yet, and so no key that could hand over"
        raise RequestError(f"{of.folder} {text}; type: gridseal-provision enrol request")
    if to == of.sketch.file.gateway.key:
        raise RequestError(f"{keystore.shown(to)} is the key that the gateway has; name another")
    return of.held


def _pending(
    of: Place,
    uri: str,
    device: Signer,
    role: str,
    over: bytes | None,
    at: int,
    random: Random,
) -> Pending:
    held, file = of.held, of.sketch.file.gateway
    plan = of.sketch.path(file.plan).read_bytes()
    if len(plan) > enrolment.PLAN_BYTES_MAX:
        most = enrolment.PLAN_BYTES_MAX
        raise RequestError(f"{file.plan} has {len(plan)} bytes; a request takes {most}")
    made = Request(
        challenge=random(enrolment.CHALLENGE_BYTES),
        subject=held.says.subject if held else file.name,
        role=role or (held.says.role if held else _role(of.sketch)),
        key=device.public,
        plan=plan,
        tls=_tls(of),
        credential=held.name if held else None,
        rotation=over,
        tai=at,
        software=SOFTWARE,
    )
    try:
        return pending.of(cose.sign(Typ.REQUEST, made.payload(), device), uri)
    except EvidenceError as fault:
        raise RequestError(f"no request can be made: {fault}") from fault


def _role(sketch: Sketch) -> str:
    """A bench is what reads simulated devices and nothing else."""
    simulated = [section.simulated for section in sketch.file.source]
    return ROLES[bool(simulated) and all(simulated)]


def _tls(of: Place) -> bytes | None:
    path = of.tls_key
    if path is None:
        return None
    from provisioning.enrol import tls

    return tls.request(path, of.sketch.file.gateway.name)
