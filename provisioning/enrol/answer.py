"""An answer, judged before anything is written: who signed it, what it answers, and whether the
gateway runs by it.

1. Whom to believe comes from the gateway's own anchors, or from a person: a fingerprint that was
   compared by another way (or that an invitation brought). Never from the answer alone.
2. It answers the one request that waits here: no other gateway's, no earlier one, not twice.
3. The credential is for the key that asked, which is had sign in its store; it is in force now,
   names the rotation that was asked for, and grants what site.toml says now.
4. What stands at the end is read by the agent's own reader.

It writes nothing; provisioning.enrol.acceptance says what becomes of it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from agent import config as agent_config
from agent.config import HeldCredential
from drivers.keystore import uri as keystore
from drivers.keystore.uri import Ask
from evidence import anchor, cose, enrolment, rotation
from evidence.anchor import Anchors
from evidence.code import Reason, Typ
from evidence.config import ConfigError
from evidence.cose import Sign1
from evidence.credential import Credential
from evidence.enrolment import Answer
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from provisioning import credential
from provisioning.argument import content
from provisioning.enrol.pending import Pending
from provisioning.enrol.request import Place, tai
from provisioning.source import RequestError

ANCHORS = "anchors.toml in the answer"
# Of a fingerprint that is read out by telephone: 128 bits, which nobody finds a second key for.
FINGERPRINT_DIGITS_MIN = 32
_AGAIN = "gridseal-provision enrol request"
# Given the fingerprint of the key that is said to have signed, gives the one that was compared by
# another way; asked only where nothing else says whom to believe.
Vouch = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer that holds. `anchors`: their text, where the gateway is to have others."""

    answer: Answer
    held: HeldCredential
    authority: anchor.Authority
    anchors: str | None


def name_of(encoded: bytes) -> bytes:
    """The name of the credential in an answer that nobody checked. Raises RequestError."""
    try:
        return cose.read(_read(encoded)[1].credential).name
    except EvidenceError as fault:
        raise RequestError(str(fault)) from fault


def judged(
    of: Place, asked: Pending | None, encoded: bytes, vouch: Vouch, now_ns: int, ask: Ask | None
) -> Judged:
    """Raises RequestError, ConfigError, KeyStoreError."""
    tai(now_ns)
    try:
        message, answer = _read(encoded)
        own = _own_anchors(of)
        told = None
        if answer.anchors:
            told = anchor.read(answer.anchors.decode("utf-8", "replace"), ANCHORS)
        authority = _authority(of.folder, message, own, told, vouch)
        cose.check(message, authority.key)
        asked = _answered(asked, answer)
        held = agent_config.held_credential(answer.credential, answer.pairs)
        rules = told or own
        if rules is None:
            raise RequestError("neither the gateway nor the answer has anchors: whom to believe")
        anchor.vouched(cose.read_statement(held.encoded, Typ.CREDENTIAL), rules.authorities)
        _check_fits(of, asked, held.says, now_ns // NS)
    except EvidenceError as fault:
        raise RequestError(str(fault)) from fault
    signer = keystore.open_signer(asked.uri, of.folder, ask)  # it has signed once, in its store
    if signer.public != held.says.key:
        raise RequestError(f"{keystore.shown(asked.uri)} holds another key than the one that asked")
    _check_granted(of, asked, held.says)
    return Judged(answer, held, authority, _text(answer, told, own))


def _read(encoded: bytes) -> tuple[Sign1, Answer]:
    try:
        message = cose.read_statement(encoded, Typ.ANSWER)
    except EvidenceError as fault:
        if _is_request(encoded):
            text = "this is a request; its answer is the file that comes back from the authority"
            raise RequestError(text) from fault
        raise
    return message, enrolment.read_answer(message.payload)


def _is_request(encoded: bytes) -> bool:
    """Whether somebody brought back what was taken away."""
    try:
        cose.read_statement(encoded, Typ.REQUEST)
    except EvidenceError:
        return False
    return True


def _own_anchors(of: Place) -> Anchors | None:
    named = of.sketch.file.record.anchors
    path = of.sketch.path(named)
    return anchor.read(content(path), named) if path.exists() else None


def _authority(
    folder: Path, message: Sign1, own: Anchors | None, told: Anchors | None, vouch: Vouch
) -> anchor.Authority:
    """Who signed the answer, if the gateway or a person believes them. Raises RequestError."""
    if own is not None and own.authorities:
        found = own.authorities.get(message.kid)
        if found is None:
            known = ", ".join(repr(one.name) for one in own.authorities.values())
            text = f"the answer is signed by key {message.kid.hex()}; this gateway believes {known}"
            raise RequestError(f"{Reason.UNKNOWN_AUTHORITY.name.lower()}: {text}")
        return found
    found = told.authorities.get(message.kid) if told is not None else None
    if found is None:
        text = "the answer does not bring the key that signed it, and this gateway believes nobody"
        text += f" yet: put the authority's anchors.toml into {folder}"
        raise RequestError(f"{Reason.UNKNOWN_AUTHORITY.name.lower()}: {text}")
    compared = re.sub(r"[\s:.-]", "", vouch(found.key.fingerprint)).lower()
    if len(compared) < FINGERPRINT_DIGITS_MIN or re.search("[^0-9a-f]", compared):
        text = f"a fingerprint has 64 hex digits; give {FINGERPRINT_DIGITS_MIN} of them at least"
        raise RequestError(f"{text}, from the first, as the authority reads them out")
    if not found.key.fingerprint.startswith(compared):
        text = "the answer is signed by a key of another fingerprint: it is not that authority's"
        raise RequestError(f"{Reason.UNKNOWN_AUTHORITY.name.lower()}: {text}")
    return found


def _answered(asked: Pending | None, answer: Answer) -> Pending:
    """The request that it answers. Raises RequestError(other_request)."""
    name = Reason.OTHER_REQUEST.name.lower()
    if asked is None:
        text = "no request waits here: it was answered already, or never made"
        raise RequestError(f"{name}: {text}; to ask: {_AGAIN}")
    if asked.name != answer.request:
        at = credential.instant(BUILT_IN.utc_ns(asked.request.tai) // NS)
        here = f"the one that waits was made at {at}"
        text = f"it answers another request: an earlier one, or another gateway's; {here}"
        raise RequestError(f"{name}: {text}, and only its answer is taken")
    return asked


def _check_fits(of: Place, asked: Pending, says: Credential, now_s: int) -> None:
    """Whether the credential is what was asked for, and in force. Raises RequestError."""
    request = asked.request
    if says.key != request.key:
        key = says.key.fingerprint[:16]
        raise RequestError(f"the credential is for another key, {key}, than the one that asked")
    if (says.subject, says.role) != (request.subject, request.role):
        was = f"{says.subject!r}, as {says.role}"
        raise RequestError(
            f"the credential is for {was}; asked: {request.subject!r}, {request.role}"
        )
    wanted = of.held.says.rotation if of.held is not None else None
    if request.rotation is not None:
        message = cose.read_statement(request.rotation, Typ.ROTATION)
        wanted = message.name
    if says.rotation != wanted:
        text = "the credential does not name the rotation by which this key is the same device's"
        raise RequestError(f"{Reason.ROTATION_NOT_GRANTED.name.lower()}: {text}")
    if request.rotation is not None and of.held is not None:
        rotation.read(message.payload).check_grant(of.held.says, says)
    here = f"this machine's clock says {credential.instant(now_s)}"
    if now_s < says.not_before_s:
        text = f"the credential begins at {credential.instant(says.not_before_s)}, and {here}"
        raise RequestError(f"{Reason.CREDENTIAL_NOT_YET.name.lower()}: {text}; is the clock right?")
    if now_s >= says.expires_s:
        text = f"the credential ended at {credential.instant(says.expires_s)}, and {here}"
        raise RequestError(f"{Reason.CREDENTIAL_EXPIRED.name.lower()}: {text}; ask again: {_AGAIN}")


def _check_granted(of: Place, asked: Pending, says: Credential) -> None:
    """Whether every bus and terminal of the plan as it is now is granted. Raises RequestError,
    which names them.
    """
    sketch, plan = of.sketch, of.sketch.plan
    file = sketch.file.gateway.plan
    missing = [f"bus {bus.name!r}" for bus in plan.bus if bus.node() not in says.buses]
    granted = set(says.terminals)
    places = {(one.terminal, one.node) for one in granted}
    for one in plan.terminals():
        whole = one in granted if one.direction else (one.terminal, one.node) in places
        if one.node in says.buses and not whole:
            missing.append(f"terminal {UUID(bytes=one.terminal)}")
    if not missing:
        return
    edited = sketch.path(file).read_bytes() != asked.request.plan
    why = f"{file} was edited after it was asked" if edited else "the authority left it out"
    reason = Reason.BUS_NOT_GRANTED if missing[0].startswith("bus") else Reason.TERMINAL_NOT_GRANTED
    text = f"the credential does not grant {', '.join(missing)}: {why}"
    raise RequestError(f"{reason.name.lower()}: {text}; ask again: {_AGAIN}")


def _text(answer: Answer, told: Anchors | None, own: Anchors | None) -> str | None:
    """The anchors that the gateway is to have, where they are others than it has."""
    if told is None or told == own:
        return None
    try:
        return answer.anchors.decode()
    except UnicodeDecodeError as fault:
        raise ConfigError(ANCHORS, "", "is not UTF-8 text") from fault
