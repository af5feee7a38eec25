"""Whether what rules the record could still be changed: a policy or a listing after which nobody
could is found before it is in force.

1. POLICY and REGISTRY have each a rule that somebody could meet: of its author's roles and of every
   role that must sign somebody has one, in as many footprints as the rule wants. Neither asks for
   seams: what changes the law hangs on nothing that the law makes. And of those who may say a
   listing one has a key, now or later: whoever else has lost his can then have another, while a
   role that nobody has, or a rule that is not there, nobody could bring back.
2. Of a policy whose rules ask for seams, some seam is in force or its own rule can make one.
3. Any other rule by which somebody may say what nobody could sign is told by a flag: who has the
   role may come. One by which nobody may say anything yet hinders nobody.

It answers what is necessary, not what suffices: that somebody could is no promise that he will.
"""

from collections.abc import Collection
from typing import NoReturn

from evidence.code import Matter, Reason, Role
from evidence.joint.asked import names
from evidence.joint.policy import Policy, Reach, Rule
from evidence.joint.registry import Registry
from evidence.refusal import EvidenceError

_LAW = (Matter.POLICY, Matter.REGISTRY)


def check(policy: Policy, registry: Registry, tai: int) -> None:
    """Rule 1. Raises EvidenceError(LOCKOUT)."""
    for matter in _LAW:
        rule, what = policy.rule(matter), matter.name.lower()
        if rule is None:
            _fail(f"no rule of {what}: there could never be another")
        if rule.seam:
            _fail(f"the rule of {what} asks for seams, which come and go by it")
        why = _unmet(rule, registry)
        if why is not None:
            _fail(f"{why}, whom the rule of {what} asks: there could never be another")
    listing = policy.rule(Matter.REGISTRY)
    authors = [] if listing is None else _holders(listing.author, registry)
    if not any(registry.will_have_key(name, tai) for name in authors):
        _fail("nobody who may say who is who would have a key")


def check_seams(policy: Policy, seams: Collection[str]) -> None:
    """Rule 2. Raises EvidenceError(LOCKOUT)."""
    own = policy.rule(Matter.SEAM)
    wants = [rule.matter.name.lower() for rule in policy.rules if rule.seam]
    if wants and not seams and (own is None or own.seam):
        _fail(f"{wants[0]} asks for a seam: none is in force, and by this policy none could be")


def flags(policy: Policy, registry: Registry) -> tuple[Reason, ...]:
    """Rule 3."""
    unmet = any(
        _holders(rule.author, registry) and _unmet(rule, registry) is not None
        for rule in policy.rules
    )
    frozen = policy.rule(Matter.SEAM) is None and any(rule.seam for rule in policy.rules)
    return (Reason.UNANSWERABLE,) if unmet or frozen else ()


def _fail(text: str) -> NoReturn:
    raise EvidenceError(Reason.LOCKOUT, text)


def _unmet(rule: Rule, registry: Registry) -> str | None:
    """Whom a rule asks for in vain, in words; None: somebody could meet it."""
    for roles in (rule.author, *(one.roles for one in rule.sign if one.roles)):
        if not _holders(roles, registry):
            return f"nobody is {names(roles)}"
    room = _room(rule, registry)
    if room is None:
        return None
    authors = [registry.footprints(name) for name in _holders(rule.author, registry)]
    if len(room) < rule.footprints_min or not (
        rule.author_anywhere or any(place & room for place in authors)
    ):
        return f"all are not there in {rule.footprints_min} footprints"
    return None


def _room(rule: Rule, registry: Registry) -> frozenset[str] | None:
    """The footprints that a record under a rule may touch so that somebody is asked in each; None:
    any."""
    room: frozenset[str] | None = None
    for asked in rule.sign:
        if asked.reach is not Reach.EACH:
            continue
        places = [registry.footprints(name) for name in _holders(asked.roles, registry)]
        if asked.part is not None:  # one authority has them all: the one that has most
            met = max((place if room is None else place & room for place in places), key=len)
        else:
            met = frozenset[str]().union(*places)
        room = met if room is None else room & met
    return room


def _holders(roles: Collection[Role], registry: Registry) -> list[str]:
    return [name for name in registry.members if registry.roles(name) & frozenset(roles)]
