"""`authority renew`: the next credential of a gateway, for its plan as it is now, without a request
of the gateway's: after a bus or terminal was added, after a new survey, before the old one ends.

Gateway, role and device key stay: who is to get another key asks for it (`enrol request`). One that
has ended can be renewed, one of a revoked key or of a key that handed over cannot.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from agent import config as agent_config
from agent.config import HeldCredential
from drivers.keystore.uri import Ask
from evidence import anchor, cbor, cose, siteplan
from evidence.code import Typ
from evidence.key import Signer
from evidence.leap import BUILT_IN, NS
from evidence.siteplan import SitePlan
from provisioning import credential, grant
from provisioning.argument import Now, Parser, content, only, tai, whole
from provisioning.authority import folder, issued, outfile
from provisioning.authority.folder import Authority
from provisioning.authority.issue import Random, add_common
from provisioning.authority.issued import Row
from provisioning.authority.refusal import RefusedError
from provisioning.authority.standing import HANDED_OVER, REVOKED, Register
from provisioning.key import asker
from provisioning.terminal import Terminal


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority renew`."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    now_s = now() // NS
    held = agent_config.read_credential(asked.credential)
    plan = siteplan.read(content(asked.plan), asked.plan.name)
    known = folder.read(asked.authority)
    days = whole("--days", asked.days) if asked.days else known.file.days
    before = renewable(known, held, now_s)
    outfile.check_absent(asked.out)
    if asked.dry_run:
        out.say(f"Would renew {before.name.hex()[:16]} of {held.says.subject!r}: {days} days,")
        out.say(f"{len(plan.bus)} buses, {len(plan.terminals())} terminals; into {asked.out}.")
        out.object({"done": False, "renews": before.name.hex(), "days": days})
        return 0
    ask: Ask | None = asker()
    root = folder.root_signer(asked.authority, ask)
    with folder.writing(asked.authority, root, tai(now())) as authority:
        row = renewed(authority, held, plan, root, (now_s, days), os.urandom)
    outfile.write(asked.out, cbor.encode([row.credential, row.pairs]))
    by = anchor.by_kid([anchor.Authority(row.says.issuer, root.public)])
    shown = credential.read(agent_config.read_credential(asked.out), by)
    out.say(*credential.lines(shown, now_s), "", *_next(asked.out))
    out.object(credential.told(shown, now_s))
    return 0


def renewable(of: Authority, held: HeldCredential, now_s: int) -> Row:
    """The newest credential of its key, which is the one to renew. Raises RefusedError."""
    says = held.says
    if not grant.signed_by(held, of.book.root):
        text = f"the credential of {says.subject!r} is signed by {says.issuer!r} with another key"
        text += f" than this one, {of.book.root.fingerprint[:16]}"
        raise RefusedError("unknown_authority", text)
    register = Register(of, now_s)
    found = register.by_name.get(held.name)
    newest = register.newest(says.key)
    if found is None or newest is None:
        text = f"the credential of {says.subject!r} is not in this authority's book"
        raise RefusedError("unknown_name", text)
    standing = register.standing(newest)
    if standing.state in (REVOKED, HANDED_OVER):
        reason = "credential_revoked" if standing.state == REVOKED else "handed_over"
        text = f"the key of {says.subject!r} is {standing.state} ({standing.by})"
        raise RefusedError(reason, text)
    return newest


def renewed(
    of: Authority,
    held: HeldCredential,
    plan: SitePlan,
    root: Signer,
    when: tuple[int, int],
    random: Random,
) -> Row:
    """The next credential, in the book when this returns. `when`: s, UTC since 1970, and days.

    Raises RefusedError, RequestError, PlacementError.
    """
    now_s, days = when
    before = renewable(of, held, now_s)
    made = grant.renewed(before.says, plan, now_s, days, random)
    signed = cose.sign(Typ.CREDENTIAL, made.says.payload(), root)
    row = issued.of_credential(signed, made.pairs, before.name)
    of.issue(row, BUILT_IN.tai_ns(now_s), root)
    return row


def _next(out: Path) -> list[str]:
    return [
        f"Made {out}. Put it where gateway.toml says (credential), beside this very plan,",
        "and start the agent again; `gridseal-agent check` says whether both agree.",
    ]


def _parser() -> Parser:
    about = "Makes the next credential of a gateway, for its site plan as it is now."
    command = Parser(prog="gridseal-provision authority renew", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("credential", type=Path, metavar="CREDENTIAL", help="the one that it has")
    add("--plan", type=Path, metavar="FILE", required=True, help="such as site.toml")
    add("--out", type=Path, metavar="FILE", required=True, help="a new file; never overwritten")
    add("--days", metavar="N", default="", help="default: authority.toml's")
    add_common(command)
    return command
