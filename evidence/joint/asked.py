"""Who must sign a record: the rule of its matter, answered by the registry at its place in the log.

1. The author has a role that the rule lets say it, and one of the footprints that the record
   touches, or any where the rule says so.
2. What a record touches is what it says, what its elements touch, and what its body does: nobody is
   left out for not being named.
3. An author is asked like the others; its record is its assent.
4. Of a registry record the authority that it is about is not asked while it has no key in force: or
   who lost its only key could never have another. Nor is anybody else then who has none: or of two
   that have lost theirs each would wait for the other for ever. Whom it was not asked of is said.
5. Where the rule asks for somebody whom nobody is, the record is refused: it could never be joint,
   and must not be joint without.

It asks no log; the place is the caller's.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from evidence.code import Reason, Role
from evidence.joint.policy import Asked, Reach, Rule
from evidence.joint.record import Record
from evidence.joint.registry import Registry
from evidence.joint.seam import Seam
from evidence.refusal import EvidenceError


class Need(NamedTuple):
    """An authority that must sign, and as what, in words."""

    authority: str
    why: str


class Parties(NamedTuple):
    """Who must sign, the author first; who is told; and who would have to sign and has no key."""

    needs: tuple[Need, ...]
    notified: tuple[str, ...]
    keyless: frozenset[str] = frozenset()


def touched(record: Record, seams: Mapping[str, Seam], more: Collection[str]) -> frozenset[str]:
    """The footprints that a record touches; `more`: by its body."""
    by_seam = (seams[name].footprints for name in record.elements if name in seams)
    return frozenset(record.footprints).union(more, *by_seam)


def parties(
    rule: Rule,
    record: Record,
    touches: frozenset[str],
    registry: Registry,
    subjects: Sequence[str],
    tai: int,
) -> Parties:
    """Raises EvidenceError(ROLE, FOOTPRINT or PARTY). `subjects`: whom a registry record is
    about, the one that it lists first."""
    _check_author(rule, record, touches, registry)
    if len(touches) < rule.footprints_min:
        text = f"touches {len(touches)} footprints; the policy asks for {rule.footprints_min}"
        raise EvidenceError(Reason.FOOTPRINT, text)
    lost = _lost(subjects, registry, tai)
    silent: set[str] = set()
    why: dict[str, list[str]] = {record.author: ["author"]}
    for asked in rule.sign:
        for need in _meant(asked, record, touches, registry, subjects, strict=True):
            if need.authority in lost:
                silent.add(need.authority)
            else:
                why.setdefault(need.authority, []).append(need.why)
    told = dict.fromkeys(
        need.authority
        for asked in rule.notify
        for need in _meant(asked, record, touches, registry, subjects, strict=False)
        if need.authority not in why
    )
    needs = tuple(Need(name, ", ".join(dict.fromkeys(words))) for name, words in why.items())
    return Parties(needs, tuple(told), frozenset(silent))


def _lost(subjects: Sequence[str], registry: Registry, tai: int) -> set[str]:
    """Rule 4. A subject that was succeeded stands for nobody else's key."""
    lost = {name for name in subjects if not registry.has_key(name, tai)}
    if subjects and subjects[0] in lost and registry.roles(subjects[0]):
        lost |= {name for name in registry.members if not registry.has_key(name, tai)}
    return lost


def _check_author(rule: Rule, record: Record, touches: frozenset[str], registry: Registry) -> None:
    author, matter = record.author, record.matter.name.lower()
    if not registry.roles(author) & rule.author:
        text = f"{author!r} is no {names(rule.author)}, who may say {matter}"
        raise EvidenceError(Reason.ROLE, text)
    if touches and not rule.author_anywhere and not registry.footprints(author) & touches:
        text = f"{author!r} has none of {', '.join(sorted(touches))}"
        raise EvidenceError(Reason.FOOTPRINT, text)


def _meant(
    asked: Asked,
    record: Record,
    touches: frozenset[str],
    registry: Registry,
    subjects: Collection[str],
    strict: bool,
) -> Iterator[Need]:
    """Whom a rule means. Raises EvidenceError where it must mean somebody and nobody is that."""
    if asked.subject:
        for name in subjects:
            if name in registry.members:
                yield Need(name, "subject")
    elif asked.part is not None:
        yield from _part(asked, record, touches, registry, strict)
    elif asked.reach is Reach.EACH:
        for footprint in sorted(touches):
            found = _holders(asked.roles, footprint, registry)
            if strict and not found:
                text = f"nobody is {names(asked.roles)} of {footprint!r}"
                raise EvidenceError(Reason.FOOTPRINT, text)
            yield from (Need(name, f"{role.name} of {footprint}") for name, role in found)
    else:
        everywhere = [(name, role) for role in asked.roles for name in registry.with_role(role)]
        if strict and not everywhere:
            raise EvidenceError(Reason.PARTY, f"nobody is {names(asked.roles)}")
        yield from (Need(name, role.name) for name, role in sorted(everywhere))


def _part(
    asked: Asked, record: Record, touches: frozenset[str], registry: Registry, strict: bool
) -> Iterator[Need]:
    if asked.part is None:
        return
    word, name = asked.part.name.lower(), record.who(asked.part)
    if name is None:
        if strict:
            raise EvidenceError(Reason.PARTY, f"names no {word}")
        return
    if name not in registry.members:
        raise EvidenceError(Reason.PARTY, f"{word}: nobody knows {name!r}")
    if asked.roles and not registry.roles(name) & asked.roles:
        raise EvidenceError(Reason.PARTY, f"{word}: {name!r} is no {names(asked.roles)}")
    if asked.reach is Reach.EACH and not touches <= registry.footprints(name):
        lacks = ", ".join(sorted(touches - registry.footprints(name)))
        raise EvidenceError(Reason.PARTY, f"{word}: {name!r} has not {lacks}")
    yield Need(name, word)


def _holders(roles: frozenset[Role], footprint: str, registry: Registry) -> list[tuple[str, Role]]:
    return [(name, role) for role in sorted(roles) for name in registry.holders(role, footprint)]


def names(roles: frozenset[Role]) -> str:
    """Roles, in words."""
    return " or ".join(role.name for role in sorted(roles))
