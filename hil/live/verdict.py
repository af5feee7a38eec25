"""Whether a play came to what its scenario expects.

1. An expectation picks facts by their words and counts them (hil.fact, hil.finding).
2. `begins_s` and `ends_s` count what lies in that interval; `after` what comes after an event or a
   fault, and `within_s` only what comes within so long, by the wall's clock: what a gateway must
   notice it must notice in real time. What began before is no answer to it, but breaks a `never`
   where it goes on.
3. What rests on a device that is not there, an act that was not done or an instant that was not
   played was not asked, and is told so, never as held. What is there and must never be is told
   however soon a play was stopped.
4. That there is none of what is measured says nothing where nothing at all was heard of what it is
   about: it was not asked, either. Unless that is what it asks, that nothing is heard.
5. Asked of every play, stopped or not: no frame is lost, none is there twice, none that nobody
   sent, no place bears two contents, no gap states what is there; the record verifies.

It reads facts, and looks at no file.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from evidence.leap import NS
from hil import finding
from hil.fact import SHOWN_MAX, Fact, fits
from hil.live import kind
from hil.live.account import Account
from hil.live.play import Play
from hil.live.sheet import Device, Expect
from hil.live.words import FACTS, FIGURES
from hil.words import listed

ALWAYS = "always"
# Of whatever is played; none of these may be there.
_EVERY = (
    Expect(text="no frame is lost", where={"what": "lost"}),
    Expect(text="no frame is there twice", where={"what": "duplicated"}),
    Expect(text="no frame is there that nobody sent", where={"what": "unsent"}),
    Expect(text="no place bears two contents", where={"what": "twins"}),
    Expect(text="no gap states what is there", where={"what": "excess"}),
)


@dataclass(frozen=True, slots=True)
class Finding(finding.Finding):
    """`after_s`: how long after what it waits for."""

    after: str = ""
    after_s: float | None = None


def judged(play: Play, account: Account) -> list[Finding]:
    """Every expectation of a scenario, and those of every play."""
    asked = [(kind, one) for kind, row in play.of.expected for one in _each(row)]
    found = [_judged(play, account, kind, row) for kind, row in asked]
    found += [replace(_judged(play, account, "never", row), kind=ALWAYS) for row in _EVERY]
    code, says = play.verify
    why = "" if code == 0 else f"exit {code}: {says}"
    return [*found, Finding(ALWAYS, "the record verifies", code == 0, int(code == 0), why)]


def _each(row: Expect) -> list[Expect]:
    """One for each device that it names, where each is to answer for itself."""
    if not row.each:
        return [row]
    return [
        msgspec.structs.replace(
            row, text=f"{row.text}: {name}", where={**row.where, "device": name}, each=False
        )
        for name in listed(row.where.get("device"))
    ]


def _judged(play: Play, account: Account, kind: str, row: Expect) -> Finding:
    if why := _unasked(play, row):
        return Finding(kind, row.text, None, why=why, after=row.after)
    begins, ends = _interval(play, row)
    found: list[Fact] = []
    count = 0
    for fact in account.facts:
        if fits(fact, row.where) and (many := _counted(fact, kind, row, begins, ends)):
            found.append(fact)
            count += many
    if not count and not _is_known(account, row):
        why = "what real devices sent is not known"
        return Finding(kind, row.text, None, why=why)
    stopped = _stopped(play, row, ends)
    if stopped and not (kind == "never" and (count or _is_total(row))):
        return Finding(kind, row.text, None, count, stopped, row.after)
    after_s = None
    if row.after and found:
        after_s = round((min(map(_came, found)) - begins) / NS, 3)
    late = _late(play, account, row)
    held, why = finding.judged(kind, row, count, found, account.facts, late=late)
    if held and not count and (unheard := _unheard(play, account, row, begins, ends)):
        return Finding(kind, row.text, None, why=unheard, after=row.after)
    return Finding(kind, row.text, held, count, why, row.after, after_s)


def _counted(fact: Fact, kind: str, row: Expect, begins: int, ends: int) -> int:
    """How many of a fact an expectation counts. After something it is to begin then, as what began
    before is no answer; but a gap begins with the last frame before what made it, and is to end
    then; and what must never be must not go on, either.
    """
    if not row.after and row.begins_s is None and row.ends_s is None:
        return fact.count
    if row.after and kind != "never" and fact.what != "gap" and (fact.begins or 0) < begins:
        return 0
    return fact.within(begins, ends)


def _came(fact: Fact) -> int:
    """When it was there to be seen: of a gap, once it was over."""
    return (fact.ends if fact.what == "gap" else fact.begins) or 0


def _unasked(play: Play, row: Expect) -> str:
    """Why it is not asked; empty where it is."""
    lacking = {lack.name: lack.why for lack in play.cast.lacks} | play.stage.absent
    for names in _resting(play, row):
        if names and all(name in lacking for name in names):
            return f"{names[0]}: {lacking[names[0]]}"
    if row.after:
        if row.after in lacking:
            return f"{row.after}: {lacking[row.after]}"
        deed = next((one for one in play.deeds if one.name == row.after), None)
        if deed is None or deed.began is None or (row.over and deed.over is None):
            return f"{row.after} was not played"
    return ""


def _stopped(play: Play, row: Expect, ends: int) -> str:
    """Where a play was stopped before all of an expectation's interval was played: when."""
    whole = play.began + round(play.timeline.whole_s * NS)
    if not play.stopped or play.began + round(play.played_s * NS) >= min(ends, whole):
        return ""
    return f"stopped after {play.timeline.scenario_s(play.played_s):.0f} s"


def _is_total(row: Expect) -> bool:
    """Whether it is about what is known once all is over, however soon that was."""
    return all(not FACTS[what].dated for what in listed(row.where.get("what")))


def _is_known(account: Account, row: Expect) -> bool:
    """Whether the frames of one of the devices that it is about were counted, where it is about
    those."""
    whats, names = listed(row.where.get("what")), listed(row.where.get("device"))
    if not set(whats) <= set(FIGURES):
        return True
    counted = [one for one in account.streams if not names or one["device"] in names]
    return any(what in one for one in counted for what in whats)


def _unheard(play: Play, account: Account, row: Expect, begins: int, ends: int) -> str:
    """That nothing was heard of any device that it is about, by the record; empty where something
    was, or where what it counts does not rest on that."""
    whats = listed(row.where.get("what"))
    if not all(FACTS[what].heard for what in whats) or _is_of_silence(row):
        return ""
    names = [one.name for one in _about(play, row) if kind.KINDS[one.kind].measures]
    for fact in account.facts:
        if fact.what == "samples" and fact.words["device"] in names and fact.within(begins, ends):
            return ""
    if len(names) > SHOWN_MAX:
        return f"nothing of any of {len(names)} devices was heard"
    return f"nothing of {' or '.join(names)} was heard" if names else ""


def _is_of_silence(row: Expect) -> bool:
    """Whether that nothing is heard is what it asks."""
    of_any = row.where.keys() <= {"what", "device", "gateway"}
    return of_any and listed(row.where.get("what")) == ["samples"]


def _about(play: Play, row: Expect) -> Iterable[Device]:
    """The devices in question: those that are named, else those of the levels, else all of which
    there may be such a fact; of the gateways that are named."""
    whats, gateways = listed(row.where.get("what")), listed(row.where.get("gateway"))
    names = listed(row.where.get("device"))
    if not names and whats == ["level"]:
        wanted = listed(row.where.get("level"))
        levels = [one for one in play.of.level if not wanted or one.name in wanted]
        names = [name for one in levels for name in one.device]
    of_frames = any(FACTS[what].frames for what in whats)
    for one in play.of.device:
        there = one.name in names if names else kind.KINDS[one.kind].frames or not of_frames
        if there and (not gateways or one.gateway in gateways):
            yield one


def _resting(play: Play, row: Expect) -> Iterable[Sequence[str]]:
    """Devices, of each of which lists one has to be there: those that are named; else those of the
    levels, and the ends of the seams."""

    def words(name: str) -> list[str]:
        return listed(row.where.get(name))

    if words("device"):
        yield words("device")
        return
    levels = [one for one in play.of.level if one.name in words("level")]
    yield [name for one in levels for name in one.device]
    for seam in play.of.seam:
        if seam.name in words("seam"):
            yield from ([name] for name in seam.sides)


def _interval(play: Play, row: Expect) -> tuple[int, int]:
    """In which facts count, ns TAI."""

    def at(scenario_s: float) -> int:
        return play.began + round(play.timeline.played_s(scenario_s) * NS)

    begins = 0 if row.begins_s is None else at(row.begins_s)
    ends = (1 << 63) - 1 if row.ends_s is None else at(row.ends_s)
    if row.after:
        deed = next(one for one in play.deeds if one.name == row.after)
        begins = (deed.over if row.over else deed.began) or 0
        if row.within_s is not None:
            ends = begins + round(row.within_s * NS)
    return begins, ends


def _late(play: Play, account: Account, row: Expect) -> str:
    """When it came, where it came too late."""
    if row.within_s is None:
        return ""
    begins, _ = _interval(play, row)
    later = _first(account.facts, row, begins)
    return "" if later is None else f"; the first came {(later - begins) / NS:.2f} s after"


def _first(facts: Iterable[Fact], row: Expect, begins: int) -> int | None:
    found = [fact.begins for fact in facts if fits(fact, row.where) and fact.begins is not None]
    return min((at for at in found if at >= begins), default=None)
