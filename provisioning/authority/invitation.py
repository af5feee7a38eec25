"""invitations.json: who may ask online, once, and for what.

1. A code is kept as its SHA-256 alone: it has 80 random bits, so that no salt and no stretching is
   needed, and what is stolen with this file opens nothing. All are compared, in constant time.
2. An invitation says whose credential it is for, in which role, until when; where said, by which
   device key and for which buses. It is of no use to another gateway.
3. It is used by one request. The same request again gets the same answer, for a network that loses
   answers; another one is refused.
4. The file is replaced whole, durably, under the folder's lock. What ended a month ago goes.

No clock is asked here.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from evidence.enrolment import Request
from evidence.siteplan import SitePlan
from provisioning.authority.folder import INVITATIONS
from provisioning.authority.refusal import RefusedError
from provisioning.placement import Disk, PlacementError, SystemDisk

OPEN_MAX = 1024  # at a time: a region's gateways
KEPT_S = 30 * 86_400  # after its end, so that who comes late is told why
VALID_S_MAX = 30 * 86_400
KEY_DIGITS_MIN = 16  # of a fingerprint that is given in part: 64 bits
_BYTES_MAX = 1 << 22
_Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]*$", max_length=64)]


class Invitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One. `code`: SHA-256; `key`: the first digits of a fingerprint, empty: any; `buses`: mRIDs,
    empty: any; `request`: by which it was used.
    """

    code: _Hex
    gateway: str
    role: str
    made_s: int
    until_s: int
    days: int
    key: _Hex = ""
    buses: tuple[_Hex, ...] = ()
    replace: bool = False
    request: _Hex = ""


def made(wanted: Invitation, code: str) -> Invitation:
    """The invitation with its code. Raises RefusedError for a time that is none."""
    if not 0 < wanted.until_s - wanted.made_s <= VALID_S_MAX:
        raise RefusedError("invitation", f"is for up to {VALID_S_MAX // 86_400} days")
    if wanted.key and not KEY_DIGITS_MIN <= len(wanted.key) <= 64:
        text = f"expected {KEY_DIGITS_MIN} to 64 digits of the device key's fingerprint"
        raise RefusedError("invitation", text)
    return msgspec.structs.replace(wanted, code=_digest(code))


def found(all_: Sequence[Invitation], typed: str) -> Invitation:
    """The invitation of this code. Raises RefusedError."""
    digest = _digest(typed)
    hits = [one for one in all_ if hmac.compare_digest(one.code, digest)]
    if not hits:
        raise RefusedError("code_unknown", "nobody was invited by this code")
    return hits[0]


def check(one: Invitation, request: bytes, now_s: int) -> None:
    """Whether it may be used by this request. Raises RefusedError."""
    if one.request == request.hex():
        return  # rule 3
    if one.request:
        raise RefusedError("code_used", "this code was used, by another request; ask for a new one")
    if now_s >= one.until_s:
        raise RefusedError("code_expired", "the time of this code is over; ask for a new one")
    if now_s < one.made_s:
        raise RefusedError("clock", "the authority's clock was set back")


def check_scope(one: Invitation, says: Request, plan: SitePlan) -> None:
    """Whether it is for what a request asks. Raises RefusedError."""
    if says.subject != one.gateway:
        text = f"this code is for {one.gateway!r}, and {says.subject!r} asks"
        raise RefusedError("other_gateway", text)
    if says.role != one.role:
        raise RefusedError("role_not_allowed", f"this code is for the role {one.role!r}")
    if one.key and not hmac.compare_digest(says.key.fingerprint[: len(one.key)], one.key):
        raise RefusedError("other_key", "this code is for another device key")
    more = [bus.name for bus in plan.bus if one.buses and bus.node().hex() not in one.buses]
    if more:
        text = f"this code is not for bus {', '.join(map(repr, more[:4]))}"
        raise RefusedError("bus_not_granted", text)


def used(all_: Sequence[Invitation], one: Invitation, request: bytes) -> list[Invitation]:
    """The list, when this request has used this invitation."""
    taken = msgspec.structs.replace(one, request=request.hex())
    return [taken if other.code == one.code else other for other in all_]


def added(all_: Sequence[Invitation], one: Invitation) -> list[Invitation]:
    """The list with a new one. Raises RefusedError when there are too many."""
    kept = [other for other in all_ if one.made_s < other.until_s + KEPT_S]
    if sum(1 for other in kept if one.made_s < other.until_s and not other.request) >= OPEN_MAX:
        raise RefusedError("invitation", f"{OPEN_MAX} are open; wait until some have ended")
    return [*kept, one]


def read(folder: Path) -> list[Invitation]:
    """All that are kept. Raises PlacementError."""
    path = folder / INVITATIONS
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX)
    except FileNotFoundError:
        return []
    except OSError as fault:
        raise PlacementError(f"{path}: {fault.strerror}") from fault
    try:
        return msgspec.json.decode(data, type=list[Invitation])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        text = f"is damaged: {fault}; remove it, and invite again"
        raise PlacementError(f"{path}: {text}") from fault


def write(folder: Path, all_: Sequence[Invitation], disk: Disk | None = None) -> None:
    """Replaces the file. Raises PlacementError."""
    disk = disk or SystemDisk()
    path = folder / INVITATIONS
    part = path.with_name(f".{path.name}.part")
    try:
        if os.path.lexists(part):  # what a power cut left
            disk.remove(part)
        disk.write_new(part, msgspec.json.format(msgspec.json.encode(all_)), 0o600)
        disk.rename_file(part, path)
        disk.sync_folder(folder)
    except OSError as fault:
        raise PlacementError(f"{path}: {fault.strerror}") from fault


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
