"""A request as an authority meets it: read, and weighed against all that it did before.

1. Nothing is believed but what the key that asks has signed; and what it asks for is granted only
   where the book lets it: a key that is not revoked, of this gateway and no other, that renews its
   own credential, or to which the key before handed over.
2. A request is answered once. The same one again is given the same answer, byte for byte, as long
   as its credential is in force: a stick may be lost, and a second credential would have to be
   explained for ever. Another one with the same challenge, or one older than what its key asked
   since, is refused.
3. What is refused is refused by name (RefusedError), and nothing is written here.

The instants are ns TAI, and come in by argument.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from evidence import cose, enrolment, rotation, siteplan
from evidence.code import Reason, Typ
from evidence.config import ConfigError
from evidence.enrolment import Request
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from evidence.siteplan import SitePlan
from provisioning.authority.folder import Authority
from provisioning.authority.invitation import Invitation, check_scope
from provisioning.authority.issued import Row
from provisioning.authority.refusal import RefusedError, refused
from provisioning.authority.standing import LIVE, NOT_YET, Register
from provisioning.enrol import parcel
from provisioning.init import check_name
from provisioning.source import RequestError

CLOCK_SAID_NS = 60 * NS  # a clock that no network sets is off by a minute in some weeks
CLOCK_MAX_NS = 86_400 * NS


class Asked(NamedTuple):
    """A request that holds by itself. `name`: of the statement."""

    name: bytes
    says: Request
    plan: SitePlan


class Terms(NamedTuple):
    """What whoever decides has said. `invitation`: None where somebody looks at each request."""

    clock_ok: bool = False
    replace: bool = False
    invitation: Invitation | None = None


@dataclass(slots=True)
class Weighed:
    """What may be issued. `answered`: the row that answered this very request before; `before`: the
    credential that is renewed; `rotation`: what the new credential is to name; `remarks`: for who
    decides.
    """

    answered: Row | None = None
    before: bytes | None = None
    rotation: bytes | None = None
    remarks: list[str] = field(default_factory=list)


def read(data: bytes) -> Asked:
    """A request's file. Raises RefusedError."""
    try:
        message, says = enrolment.asked(parcel.unpack(data))
    except EvidenceError as fault:
        raise refused(fault) from fault
    except RequestError as fault:
        raise RefusedError("parcel", str(fault)) from fault
    try:
        plan = siteplan.read(says.plan.decode(), "site.toml")
        check_name("gateway", says.subject)
    except UnicodeDecodeError as fault:
        raise RefusedError("plan", "its site plan is no UTF-8 text") from fault
    except ConfigError as fault:
        raise RefusedError("plan", f"its site plan does not hold: {fault}") from fault
    except RequestError as fault:
        raise RefusedError("subject", str(fault)) from fault
    return Asked(message.name, says, plan)


def weighed(of: Authority, asked: Asked, terms: Terms, now_tai: int) -> Weighed:
    """What may be issued to it. Raises RefusedError."""
    now_s = BUILT_IN.utc_ns(now_tai) // NS
    register = Register(of, now_s)
    says = asked.says
    if terms.invitation is not None:
        check_scope(terms.invitation, says, asked.plan)
    if register.is_revoked(says.key):
        raise RefusedError("credential_revoked", "the key that asks was revoked")
    if says.key == of.book.root:
        raise RefusedError("key", "it asks for a credential of the authority's own key")
    answered = register.asked(asked.name)
    if answered is not None:
        state = register.standing(answered).state
        if state in (LIVE, NOT_YET):
            return Weighed(answered)
        raise RefusedError("request_answered", f"it was answered, and that credential is {state}")
    found = Weighed()
    _check_clock(found, says, terms, now_tai)
    if says.role not in of.file.roles:
        text = f"{says.role!r} is not granted here; authority.toml: roles = {list(of.file.roles)}"
        raise RefusedError("role_not_allowed", text)
    _set_lineage(found, register, says, terms)
    _check_fresh(register, says, terms, now_tai)
    _check_others(found, register, says, terms)
    return found


def _check_clock(found: Weighed, says: Request, terms: Terms, now_tai: int) -> None:
    off = says.tai - now_tai
    if abs(off) <= CLOCK_SAID_NS:
        return
    size = abs(off) // NS
    span = f"{size // 86_400} d" if size >= 2 * 86_400 else f"{size // 60} min"
    text = f"by its clock it was made {span} {'ahead of' if off > 0 else 'before'} this machine's"
    if abs(off) > CLOCK_MAX_NS and not terms.clock_ok:
        mend = "set its clock, and ask anew"
        if terms.invitation is None:
            mend = "if it was so long under way, or this clock is wrong: --clock-ok"
        raise RefusedError("clock", f"{text} time; {mend}")
    found.remarks.append(f"{text} time.")


def _check_fresh(register: Register, says: Request, terms: Terms, now_tai: int) -> None:
    """Rule 2. A clock that was years ahead once must not keep its key out until then."""
    if register.challenged(says.challenge) is not None:
        text = "another request with the same challenge was answered before"
        raise RefusedError("challenge_used", text)
    newest = register.newest(says.key)
    if newest is not None and newest.asked is not None and says.tai <= newest.asked.tai:
        text = "this key has asked again since, and was answered; bring that answer, or ask anew"
        if newest.asked.tai > now_tai:
            if terms.clock_ok:
                return
            text = "the gateway's clock was ahead when its key asked last; if it is right now"
            text += ": --clock-ok" if terms.invitation is None else ", ask by file"
        raise RefusedError("request_old", text)


def _set_lineage(found: Weighed, register: Register, says: Request, terms: Terms) -> None:
    """What is renewed, and which rotation stands in the credential."""
    newest = register.newest(says.key)
    if newest is not None and newest.says.subject != says.subject:
        text = f"this key is that of {newest.says.subject!r}, and {says.subject!r} asks"
        raise RefusedError("other_subject", text)
    if register.successor(says.key) is not None:
        raise RefusedError("handed_over", "the key that asks has handed over to another")
    if says.rotation is not None:
        handed = _handed_over(register, says)
        name = cose.read_statement(says.rotation, Typ.ROTATION).name
        if newest is None:
            found.before, found.rotation = handed.name, name
            return
        if newest.says.rotation != name:
            text = "the key that asks has a credential of its own; it takes over from nobody"
            raise RefusedError("rotation_not_granted", text)
    elif says.credential is not None and not terms.replace:
        named = register.by_name.get(says.credential)
        if named is None:
            text = "it names a credential that is not in this authority's book"
            raise RefusedError("unknown_name", text)
        if named.says.key != says.key:
            text = "it asks in place of another key's credential, without that key's signature"
            raise RefusedError("rotation_not_granted", f"{text}; if that key is lost: --replace")
    if newest is not None:
        if newest.says.role != says.role:
            found.remarks.append(f"Its role was {newest.says.role!r} until now.")
            if newest.says.rotation is not None:
                text = f"its key took over as {newest.says.role!r}, and keeps that role"
                raise RefusedError("rotation_not_granted", text)
        found.before, found.rotation = newest.name, newest.says.rotation


def _handed_over(register: Register, says: Request) -> Row:
    """The credential from which the key that asks takes over: its key has signed so."""
    old = register.by_name.get(says.credential or b"")
    if old is None or says.rotation is None:
        text = "it takes over from a credential that is not in this authority's book"
        raise RefusedError("unknown_name", text)
    if old.says.subject != says.subject:
        text = f"it takes over from the key of {old.says.subject!r}, and {says.subject!r} asks"
        raise RefusedError("other_subject", text)
    if old.says.role != says.role:  # evidence.rotation: nobody would take it
        text = f"a rotation keeps the role; that was {old.says.role!r}, and {says.role!r} is asked"
        raise RefusedError("rotation_not_granted", text)
    if register.is_revoked(old.says.key):
        raise RefusedError("credential_revoked", "the key that hands over was revoked")
    after = register.successor(old.says.key)
    if after is not None and after.says.key != says.key:
        text = f"that key has handed over to {after.says.key.fingerprint[:16]} already"
        raise RefusedError("handed_over", text)
    try:
        cose.check(cose.read_statement(says.rotation, Typ.ROTATION), old.says.key)
    except EvidenceError as fault:
        text = f"the key of the credential that it names did not sign: {fault}"
        raise RefusedError(Reason.ROTATION_NOT_GRANTED.name.lower(), text) from fault
    rotation.read(cose.read_statement(says.rotation, Typ.ROTATION).payload).check_possession()
    return old


def _check_others(found: Weighed, register: Register, says: Request, terms: Terms) -> None:
    """Another key in force for this gateway."""
    old = register.by_name.get(found.before) if found.before is not None else None
    others = {
        row.says.key.fingerprint
        for row in register.live(says.subject)
        if row.says.key != says.key and (old is None or row.says.key != old.says.key)
    }
    if not others:
        return
    shown = ", ".join(sorted(others))
    if not terms.replace:
        text = f"{says.subject!r} has another key in force: {shown}; if it is to go: --replace"
        raise RefusedError("other_live_key", text)
    found.remarks.append(f"It replaces {shown}: revoke that key, or it stays in force.")
