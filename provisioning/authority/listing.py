"""`authority list`: every credential and how it stands, the latest last.

No key is opened and nothing is written.
"""

from collections.abc import Sequence
from pathlib import Path

from evidence.leap import NS
from provisioning.argument import Now, Parser, only
from provisioning.authority import folder
from provisioning.authority.folder import Authority
from provisioning.authority.standing import LIVE, Register, Standing
from provisioning.credential import instant
from provisioning.terminal import Terminal

_DAY_S = 86_400
SOON_S = 30 * _DAY_S  # what ends sooner is to be renewed now: a visit takes planning
_HEADINGS = ("gateway", "role", "state", "until", "device key", "credential")


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority list`."""
    about = "Lists an authority's credentials and how they stand."
    parser = Parser(prog="gridseal-provision authority list", description=about,
                    allow_abbrev=False)  # fmt: skip
    add = parser.add_argument
    told = "the authority's folder; default: the working folder"
    add("--authority", type=Path, metavar="DIR", default=Path(), help=told)
    add("--live", action="store_true", help="those in force only")
    add("--json", action="store_true", help="one JSON object instead of words")
    asked = only(parser, argv)
    out, now_s = Terminal(asked.json), now() // NS
    of = folder.read(asked.authority)
    found = [one for one in Register(of, now_s).all() if not asked.live or one.state == LIVE]
    out.say(f"Authority    {of.file.name}, root key {of.book.root.fingerprint}")
    out.say(f"Book         {len(of.book.lines)} entries{_tail(of)}", "")
    out.table(_HEADINGS, [_row(one, now_s) for one in found])
    out.object(
        {
            "authority": of.file.name,
            "root": of.book.root.fingerprint,
            "entries": len(of.book.lines),
            "tail_bytes": of.book.tail,
            "credentials": [_told(one, now_s) for one in found],
        }
    )
    return 0


def _row(one: Standing, now_s: int) -> list[str]:
    says = one.row.says
    state = f"{one.state} ({one.by})" if one.by else one.state
    left = says.expires_s - now_s
    if one.state == LIVE:
        state = f"live, {left // _DAY_S} days left" + (": renew it" if left < SOON_S else "")
    mark = says.key.fingerprint[:16]
    return [says.subject, says.role, state, instant(says.expires_s), mark, one.row.name.hex()[:16]]


def _told(one: Standing, now_s: int) -> dict[str, object]:
    says = one.row.says
    return {
        "gateway": says.subject,
        "role": says.role,
        "state": one.state,
        "by": one.by,
        "expires_s": says.expires_s,
        "expires_in_s": says.expires_s - now_s,
        "fingerprint": says.key.fingerprint,
        "credential": one.row.name.hex(),
        "renews": one.row.before.hex() if one.row.before else None,
        "request": one.row.asked.request.hex() if one.row.asked else None,
        "rotation": says.rotation.hex() if says.rotation else None,
    }


def _tail(of: Authority) -> str:
    if not of.book.tail:
        return ""
    told = "of one that a power cut ended, or a disk damaged: the next who writes cuts them, and"
    return f"; behind them {of.book.tail} bytes {told} keeps them beside it"
