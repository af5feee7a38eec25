"""`authority issue`: a request is read, shown, decided on and answered.

1. What was asked is shown in words, with the fingerprint of the device key, before anybody decides:
   it is to be compared by another way than the request came.
2. Row, entry, answer, in this order, each durable before the next: whenever the power goes, the
   same request can be brought again. Then it is answered by what was signed already; no second
   credential is made (provisioning.authority.folder, rule 3).
3. It is weighed anew under the folder's lock: what was decided on may have changed meanwhile.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from drivers.keystore import uri
from drivers.keystore.uri import Ask
from evidence import anchor, cose
from evidence.code import ALG_ED25519, Typ
from evidence.enrolment import ANCHORS_BYTES_MAX, Answer
from evidence.key import Signer
from evidence.leap import BUILT_IN, NS
from provisioning import credential, grant
from provisioning.argument import Now, Parser, content, only, tai, whole
from provisioning.authority import folder, issued, outfile, request
from provisioning.authority.folder import Authority
from provisioning.authority.issued import Asking, Row
from provisioning.authority.refusal import RefusedError
from provisioning.authority.request import Asked, Terms, Weighed
from provisioning.enrol import parcel
from provisioning.key import asker, grouped
from provisioning.terminal import Terminal

Random = Callable[[int], bytes]
_SERIAL_BYTES = 16


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that sign. `tls`: None where the authority makes no certificates."""

    root: Signer
    tls: Signer | None


def open_keys(place: Path, ask: Ask | None, often: bool = False) -> Keys:
    """May block, and ask. Raises KeyStoreError, ConfigError, PlacementError."""
    root = folder.root_signer(place, ask, often)
    tls = folder.read(place).file.tls
    return Keys(root, None if tls is None else uri.open_signer(tls.key, place, ask, often))


def run(argv: list[str], now: Now) -> int:
    """What was typed after `authority issue`."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    found = request.read(outfile.content(asked.request, parcel.PARCEL_BYTES_MAX))
    terms = Terms(asked.clock_ok, asked.replace)
    held = folder.read(asked.authority)
    days = whole("--days", asked.days) if asked.days else held.file.days
    weighed = request.weighed(held, found, terms, tai(now()))
    check_tls(held, found)
    if not held.file.record.anchors:
        text = "anchors under [record] of authority.toml names none: the gateway takes this answer"
        weighed.remarks.append(f"{text} only where it has anchors.toml already.")
    out.say(*words(found, weighed, days))
    told = _told(found, weighed, days)
    if asked.dry_run:
        out.say("", f"Would issue it, and write {asked.out}.")
        out.object(told | {"done": False})
        return 0
    if weighed.answered is None:
        outfile.check_absent(asked.out)
        if not asked.yes:
            _confirm(out, found)
    keys = open_keys(asked.authority, asker())
    with folder.writing(asked.authority, keys.root, tai(now())) as authority:
        row = answered(authority, found, terms, keys, (now() // NS, days), os.urandom)
    outfile.write(asked.out, parcel.pack(row.answer or b""))
    out.say("", "Root key of this authority, to be read out to the gateway:")
    out.say(*(f"  {line}" for line in grouped(keys.root.public.fingerprint)), "")
    out.say(f"Made {asked.out}: bring it to the gateway, and type there:")
    out.say(f"  gridseal-provision enrol accept DIR {asked.out.name}")
    out.object(told | {"done": True, "credential": row.name.hex(), "out": str(asked.out)})
    return 0


def answered(
    of: Authority, asked: Asked, terms: Terms, keys: Keys, when: tuple[int, int], random: Random
) -> Row:
    """The answer's row, in the book when this returns. `when`: s, UTC since 1970, and days.

    Raises RefusedError, RequestError, PlacementError.
    """
    now_s, days = when
    now_tai = BUILT_IN.tai_ns(now_s)
    found = request.weighed(of, asked, terms, now_tai)
    if found.answered is not None:
        return found.answered
    says = asked.says
    holder = grant.Holder(of.file.name, says.subject, says.key, says.role, found.rotation)
    granted = grant.credential(holder, asked.plan, now_s, days, random)
    signed = cose.sign(Typ.CREDENTIAL, granted.says.payload(), keys.root)
    until_s = granted.says.expires_s
    answer = Answer(
        asked.name,
        signed,
        granted.pairs,
        *_certificates(of, asked, keys.tls, now_s, until_s, random),
        _anchors(of),
        of.file.record.url,
    )
    encoded = cose.sign(Typ.ANSWER, answer.payload(), keys.root)
    parcel.pack(encoded)  # what is entered can be handed over
    asking = Asking(asked.name, says.challenge, says.tai, says.rotation)
    row = issued.of_answer(encoded, found.before, asking)
    of.issue(row, now_tai, keys.root)
    return row


def check_tls(of: Authority, asked: Asked) -> None:
    """Whether its request for a certificate holds, where one is made. Raises RefusedError."""
    if asked.says.tls is not None and of.file.tls is not None:
        from provisioning.authority import certificate

        certificate.asked(asked.says.tls, asked.says.key)


def _certificates(
    of: Authority, asked: Asked, tls: Signer | None, now_s: int, until_s: int, random: Random
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The gateway's, and the authority that the record's is by."""
    ours: tuple[bytes, ...] = ()
    theirs: tuple[bytes, ...] = ()
    if of.file.record.ca:
        from provisioning.authority import certificate

        theirs = certificate.ders(of.folder / of.file.record.ca)
    if asked.says.tls is not None and tls is not None and of.file.tls is not None:
        from provisioning.authority import certificate

        key = certificate.asked(asked.says.tls, asked.says.key)
        ca = certificate.ders(of.folder / of.file.tls.certificate)[0]
        end_s = min(until_s, now_s + of.file.tls.days * 86_400)
        serial = random(_SERIAL_BYTES)
        made = certificate.client(asked.says.subject, key, ca, tls, now_s, end_s, serial)
        ours = (made, ca)
    return ours, theirs


def _anchors(of: Authority) -> bytes:
    """The text of anchors.toml, which names this authority; empty where none is set."""
    if not of.file.record.anchors:
        return b""
    path = of.folder / of.file.record.anchors
    text = content(path)
    found = anchor.read(text, str(path)).authorities.get(of.book.root.kid)
    if found is None or (found.name, found.key) != (of.file.name, of.book.root):
        raise RefusedError("anchors", f"{path} does not name this authority and its root key")
    if len(text.encode()) > ANCHORS_BYTES_MAX:
        raise RefusedError("anchors", f"{path} is longer than {ANCHORS_BYTES_MAX} bytes")
    return text.encode()


def words(asked: Asked, weighed: Weighed, days: int) -> list[str]:
    """What is asked, for whoever decides."""
    says, plan = asked.says, asked.plan
    algorithm = "Ed25519" if says.key.alg == ALG_ED25519 else "P-256"
    survey = plan.site.survey
    text = [
        f"Gateway      {says.subject}, as {says.role}",
        f"Site         {plan.site.name}",
        f"Position     {'not surveyed' if survey is None else survey.place().words()}",
        f"Buses        {len(plan.bus)}",
        *(f"  {UUID(bytes=bus.node())}  {bus.name}" for bus in plan.bus),
        f"Terminals    {len(plan.terminals())}",
        *(
            f"  {UUID(bytes=one.terminal)}  at {UUID(bytes=one.node)},"
            f" {credential.SENSE[one.direction]}"
            for one in plan.terminals()
        ),
        f"Asked with   {says.software}",
        f"TLS          {'a certificate is asked for' if says.tls else 'no certificate'}",
    ]
    if weighed.answered is not None:
        text.append("Answered     before: the same answer is written again")
    elif weighed.rotation is not None and says.rotation is not None:
        text.append("It takes over from the key before, which signed so. That one stays believed:")
        text.append("revoke it (--why retired) when all that it signed is in the record.")
    elif weighed.before is not None:
        text.append(f"It renews    {weighed.before.hex()[:16]}")
    else:
        text.append("It is the first of this key.")
    text += [f"Mind         {remark}" for remark in weighed.remarks]
    return [
        *text,
        f"Valid        {days} days",
        "",
        f"Device key   {algorithm}; compare by telephone with what stands at the gateway:",
        *(f"  {line}" for line in grouped(says.key.fingerprint)),
    ]


def _told(asked: Asked, weighed: Weighed, days: int) -> dict[str, object]:
    return {
        "request": asked.name.hex(),
        "gateway": asked.says.subject,
        "role": asked.says.role,
        "fingerprint": asked.says.key.fingerprint,
        "buses": [str(UUID(bytes=bus)) for bus in asked.plan.mrids()],
        "renews": weighed.before.hex() if weighed.before else None,
        "rotation": weighed.rotation.hex() if weighed.rotation else None,
        "answered_before": weighed.answered is not None,
        "days": days,
        "remarks": weighed.remarks,
    }


def _confirm(out: Terminal, asked: Asked) -> None:
    """Raises UsageError where nobody sits, RefusedError where somebody says no."""
    question = f"Issue a credential to {asked.says.subject!r}? Type yes"
    if out.ask(question, "--yes") != "yes":
        raise RefusedError("declined", "not issued, and nothing changed")


def _parser() -> Parser:
    about = "Answers a gateway's request with a credential, and enters it in the book."
    command = Parser(prog="gridseal-provision authority issue", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("request", type=Path, metavar="REQUEST", help="the file that `enrol request` wrote")
    add("--out", type=Path, metavar="ANSWER", required=True, help="a new file")
    add("--days", metavar="N", default="", help="of the credential; default: authority.toml's")
    add("--yes", action="store_true", help="do not ask: the fingerprint was compared")
    add("--replace", action="store_true", help="though another key of the gateway is in force")
    add("--clock-ok", action="store_true", help="though it was made more than a day from now")
    add_common(command)
    return command


def add_common(command: argparse.ArgumentParser) -> None:
    """What every command of an authority that writes takes."""
    add = command.add_argument
    told = "the authority's folder; default: the working folder"
    add("--authority", type=Path, metavar="DIR", default=Path(), help=told)
    add("--dry-run", action="store_true", help="show what would be done, and do nothing")
    add("--json", action="store_true", help="one JSON object instead of words")
