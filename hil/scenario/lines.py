"""The lines of a script, as acts of a play: who says what, when.

1. First what all else rests on: the policy, signed by every founder, then each seam, signed by both
   sides. They are said when the part begins.
2. A claim is its author's alone. A decision has for parents the observations that its script names
   and what was said before it, by their names.
3. What is not published is marked in words in the record itself, not only beside it.
"""

from collections.abc import Sequence
from functools import partial

from evidence.code import Emergency, Matter, Role, SeamKind
from evidence.joint import policy
from evidence.joint.claim import Claim, Figure
from evidence.joint.decision import Decision
from evidence.joint.emergency import TieEmergency
from evidence.joint.record import Parent, Record
from evidence.joint.registry import Key, Listing
from evidence.joint.seam import Dc, Line, Seam, Side
from hil.scenario import custody, hours, sheet
from hil.scenario.cast import mrid
from hil.scenario.figures import Hours, tai_of
from hil.scenario.marks import INSTANT_NS, marked, names
from hil.scenario.play import Play

POLICY_KEY = "policy"


def put(play: Play, policy_text: str, figures: Hours | None) -> None:
    """Puts everything that the script says into a play."""
    begins = play.part.begins
    play.at(begins, partial(_found, text=policy_text))
    for member in play.script.authority:
        if member.roles and not member.founder:
            play.at(begins, partial(_member, row=member))
    for seam in play.script.seam:
        play.at(begins, partial(_seam, row=seam))
    for number, claim in enumerate(play.script.claim):
        _at(play, tai_of(claim.said or claim.begins), partial(_claim, row=claim, number=number))
    for episode in play.script.handoff:
        custody.put(play, episode)
    for settlement in play.script.settlement:
        hours.put_settlement(play, settlement)
    for learning in play.script.learning:
        hours.put_learning(play, learning)
    for interchange in play.script.interchange:
        if figures is not None:
            hours.put_interchange(play, interchange, figures)
    for order in play.script.order:
        _at(play, tai_of(order.begins), partial(_order, row=order))


def _at(play: Play, tai: int, act: object) -> None:
    if play.part.holds(tai):
        play.at(tai, act)  # type: ignore[arg-type]


async def _found(play: Play, text: str) -> None:
    founders = [row.name for row in play.script.authority if row.founder and row.roles]
    if not founders:
        return
    begins, ends = play.part.begins, play.part.ends
    record = Record(
        *(Matter.POLICY, founders[0], (), (), (), begins, ends, (), policy.body(text)),
    )
    await play.tell(POLICY_KEY, record, founders)
    play.say(f"policy: signed by {', '.join(founders)}")


async def _member(play: Play, row: sheet.Authority) -> None:
    """One that the anchors do not have comes into the registry, signed by all who must."""
    begins, ends = play.part.begins, play.part.ends
    signer = play.cast.key(row.name)
    key = Key(signer.public, begins, None)
    roles = frozenset(Role[role] for role in row.roles)
    listing = Listing(row.name, roles, frozenset(row.footprints), (key,))
    founders = [one for one in play.script.authority if one.founder and one.roles]
    author = next(one.name for one in founders if {*one.footprints} & {*row.footprints})
    record = Record(
        *(Matter.REGISTRY, author, names(row.footprints), (), (), begins, ends, ()),
        listing.proved(signer).body(),
    )
    await play.tell(f"member {row.name}", record, [one.name for one in founders])


async def _seam(play: Play, row: sheet.Seam) -> None:
    name, one, other = play.script.scenario.name, *row.sides
    line = row.line and Line(row.line.r_ohm, row.line.x_ohm, row.line.b_siemens, row.line.km)
    dc = row.dc and Dc(row.dc.fixed_mw, row.dc.share)
    kind = SeamKind[row.kind.upper()]
    sides = (_side(name, one, kind), _side(name, other, kind))
    found = Seam(row.name, kind, sides, line or None, dc or None)
    begins, ends = play.part.begins, play.part.ends
    footprints = tuple(sorted(found.footprints))
    record = Record(
        *(Matter.SEAM, one.authority, footprints, (), (), begins, ends, (), found.body()),
    )
    await play.tell(f"seam {row.name}", record, [side.authority for side in row.sides])


def _side(scenario: str, row: sheet.Side, kind: SeamKind) -> Side:
    node = mrid(scenario, f"bus {row.bus}").bytes
    terminal = mrid(scenario, f"terminal {row.bus}").bytes
    # A scenario's bus has one terminal.
    branches = (terminal,) if kind == SeamKind.SUM else ()
    return Side(row.footprint, row.authority, node, terminal, row.kv, row.amperes, branches)


async def _claim(play: Play, row: sheet.Claim, number: int) -> None:
    begins = tai_of(row.begins)
    ends = begins + INSTANT_NS if row.ends is None else tai_of(row.ends)
    body = Claim(row.text, row.source, _figures(row.figures)).body()
    record = Record(
        *(Matter.CLAIM, row.author, names(row.footprints), names(row.elements), ()),
        *(begins, ends, (), body),
    )
    await play.tell(f"claim {number} of {row.topic}", record, [], topic=row.topic)


async def _order(play: Play, row: sheet.Order) -> None:
    begins, ends = tai_of(row.begins), tai_of(row.ends)
    text = marked(row.text, row.mark)
    parents: list[Parent] = [play.told[name].name for name in row.after if name in play.told]
    for device in row.observes:
        found = play.reader.last(device, begins)
        if found is not None:
            parents.append(found)
    record = Record(
        matter=Matter[row.matter.upper()],
        author=row.author,
        footprints=names(row.footprints),
        elements=names(row.elements),
        parts=(),
        begins=begins,
        ends=ends,
        parents=tuple(parents),
        body=_decided(row, text),
    )
    await play.tell(row.name, record, row.assent, row.mark)


def _decided(row: sheet.Order, text: str) -> bytes:
    reason = f"{text} Source: {row.source}." if row.source else text
    if row.matter == "dc_tie_emergency":
        act = Emergency[row.act.upper()]
        return TieEmergency(act, row.toward, row.mw, row.ramp_mw_min, None, reason).body()
    return Decision(None, row.name, row.mw, reason).body()


def _figures(rows: Sequence[sheet.Figure]) -> tuple[Figure, ...]:
    return tuple(Figure(row.name, row.unit, row.value, row.rounded) for row in rows)
