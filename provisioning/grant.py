"""The credential for a site plan: what an authority signs of a device key, and of where it stands.

1. It grants what the plan claims and no more: buses, terminals with bus and direction; and carries
   what tells of the place (survey, antenna, names of buses, offsets) under digests. So a plan that
   is changed afterwards needs a new credential, and `gridseal-agent check` says so.
2. A renewal keeps issuer, gateway, role, device key and its rotation of the one before.
3. Time and randomness come in by argument; whoever calls reads and writes files.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agent.config import HeldCredential
from evidence import cose
from evidence.credential import Credential, Named
from evidence.disclosure import Discloser
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from evidence.siteplan import SitePlan
from provisioning.source import RequestError

Random = Callable[[int], bytes]
VALID_DAYS_MAX = 36525  # a century: longer is a typing error
# A gateway's clock, and frames under way, may be a little behind this machine's clock.
BACKDATED_S = 300
_DAY_S = 86_400
_SERIAL_BYTES = 16


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose credential it is. `key`: of the device; `rotation`: name of the statement by which the
    key before hands over to it, None for a device's first.
    """

    issuer: str
    subject: str
    key: PublicKey
    role: str
    rotation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A credential, not signed yet, and the values that it hides."""

    says: Credential
    pairs: tuple[tuple[bytes, bytes], ...]


def credential(
    holder: Holder, plan: SitePlan, now_s: int, valid_days: int, random: Random
) -> Granted:
    """What the authority says of the device key. `now_s`: UTC since 1970. Raises RequestError."""
    if not 1 <= valid_days <= VALID_DAYS_MAX:
        raise RequestError(f"valid for {valid_days} days; expected 1 to {VALID_DAYS_MAX}")
    hidden = Discloser(random)
    survey, antenna = plan.site.survey, plan.site.antenna
    says = Credential(
        issuer=holder.issuer,
        subject=holder.subject,
        serial=random(_SERIAL_BYTES),
        not_before_s=max(0, now_s - BACKDATED_S),
        expires_s=now_s + valid_days * _DAY_S,
        key=holder.key,
        role=holder.role,
        site=hidden.hide(plan.site.name.encode()),
        position=None if survey is None else hidden.hide(survey.position()),
        buses=plan.mrids(),
        terminals=plan.terminals(),
        survey=None if survey is None else hidden.hide(survey.found()),
        antenna=None if antenna is None else hidden.hide(antenna.value()),
        named=_named(plan, hidden),
        rotation=holder.rotation,
    )
    return Granted(says, hidden.pairs)


def renewed(
    before: Credential, plan: SitePlan, now_s: int, valid_days: int, random: Random
) -> Granted:
    """The next credential of a gateway, for its plan as it is now. Raises RequestError."""
    holder = Holder(before.issuer, before.subject, before.key, before.role, before.rotation)
    return credential(holder, plan, now_s, valid_days, random)


def signed_by(held: HeldCredential, authority: PublicKey) -> bool:
    """Whether this key signed a credential."""
    try:
        cose.check(cose.read(held.encoded), authority)
    except EvidenceError:
        return False
    return True


def _named(plan: SitePlan, hidden: Discloser) -> tuple[Named, ...]:
    rows = []
    for bus in plan.bus:
        offset = bus.offset()
        digest = None if offset is None else hidden.hide(offset)
        rows.append(Named(bus.node(), hidden.hide(bus.names()), digest))
    return tuple(rows)
