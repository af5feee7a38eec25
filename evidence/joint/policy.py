"""Whose signatures a record takes: `policy.toml`, read strictly. Body of a record of matter POLICY:
[text of the file].

    [[rule]]
    matter = "interchange"          # in lower case, as evidence.code.Matter; of handoff also `step`
    author = ["BA"]                 # the roles that may say it
    author_anywhere = false         # true: in whatever footprints those have the role
    seam = true                     # its elements are seams in force, one at least
    footprints_min = 2              # it touches so many at least
    sign = [{ role = "BA", of = "each footprint" }]
    notify = [{ role = "COMMISSION", of = "each footprint" }]
    expires_h = 72                  # pending longer, by the log's clock: expired
    logged_within_h = 168           # logged later than that after its interval ended: back-dated

    [[tariff]]
    service = "frequency response"  # what an aggregation sells
    also = ["PFR"]                  # what else it is called; case and punctuation are nothing
    minimum_kw = 100.0              # it has so much at least
    footprint = "ERCOT"             # there alone; absent: everywhere

1. `sign` and `notify` name authorities by what they are: by `role`, `of = "each footprint"` that
   the record touches or `of = "anywhere"`; by `part`, the one that the record names so, which then
   has that `role`, in each footprint where it says so; or `subject = true`, the authority that a
   registry record is about and the one it succeeds.
2. A `role` may be several, in a list: whoever has one of them.
3. `each footprint` of none, or one where nobody has the role, names nobody: no record can come of
   it, and it is refused rather than joint without them. So `footprints_min` is 1 where it stands.
4. One rule a matter, of handoff one a step beside it. What has no rule may not be said.
5. A service is one of the tariff's names in one spelling (evidence.joint.spelling); no name is of
   two services.
6. Nothing here knows what a matter means: that is its own file's.

It reads; who is meant is evidence.joint.asked's, by the registry.
"""

from dataclasses import dataclass
from enum import Enum

from evidence import cbor, shape, toml
from evidence.code import Matter, Part, Reason, Role, Step
from evidence.joint.record import NAMES_MAX, read_name
from evidence.joint.spelling import folded
from evidence.refusal import EvidenceError
from evidence.toml import Table, TomlError
from evidence.trust import ROLES

POLICY_CHARS_MAX = 12_288  # four bytes each, an entry of the log has room for it
HOURS_MAX = 24 * 366 * 100
HOUR_NS = 3600 * 1_000_000_000
ROWS_MAX = 256  # rules, tariffs, and what one rule asks for: of each
_MATTERS = {matter.name.lower(): matter for matter in Matter}
_PARTS = {part.name.lower(): part for part in Part}
_STEPS = {step.name.lower(): step for step in Step}


class Reach(Enum):
    """Where an authority must have its role."""

    EACH = "each footprint"
    ANYWHERE = "anywhere"


_REACHES = {reach.value: reach for reach in Reach}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a rule asks. `part`: whom the record names so; `subject`: whom it is about."""

    roles: frozenset[Role]
    part: Part | None = None
    reach: Reach = Reach.ANYWHERE
    subject: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds of one matter. Times in ns; None: never."""

    matter: Matter
    step: Step | None
    author: frozenset[Role]
    author_anywhere: bool
    seam: bool
    footprints_min: int
    sign: tuple[Asked, ...]
    notify: tuple[Asked, ...]
    expires: int | None
    logged_within: int | None


@dataclass(frozen=True, slots=True)
class Tariff:
    """How much an aggregation has at least, for a service; `footprint` None: everywhere."""

    service: str
    minimum_kw: float
    footprint: str | None
    also: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Of its service, in one spelling."""
        return frozenset(map(folded, (self.service, *self.also)))


@dataclass(frozen=True, slots=True)
class Policy:
    """What is in force."""

    rules: tuple[Rule, ...]
    tariffs: tuple[Tariff, ...] = ()

    def rule(self, matter: Matter, step: Step | None = None) -> Rule | None:
        """Of a matter; of a handoff that of its step, else of all steps."""
        of = {rule.step: rule for rule in self.rules if rule.matter == matter}
        return of.get(step, of.get(None))

    def service(self, text: str) -> str:
        """What the tariff calls a service, in one spelling; else how it is spelled itself."""
        name = folded(text)
        return next((folded(row.service) for row in self.tariffs if name in row.names), name)

    def has_service(self, text: str) -> bool:
        """Whether the tariff has it."""
        return any(folded(text) in row.names for row in self.tariffs)

    def minimum_kw(self, service: str, footprints: frozenset[str]) -> float | None:
        """The greatest minimum of a service in these footprints; None: the tariff has none."""
        name = self.service(service)
        found = [
            row.minimum_kw
            for row in self.tariffs
            if folded(row.service) == name
            and (row.footprint is None or row.footprint in footprints)
        ]
        return max(found, default=None)


def body(text: str) -> bytes:
    """The body of a record that says this policy. Raises EvidenceError where `read` would."""
    encoded = cbor.encode([text])
    read(encoded)
    return encoded


def read(encoded: bytes) -> Policy:
    """The policy in a body. Raises EvidenceError."""
    (text,) = shape.array(cbor.decode(encoded), "policy", 1)
    if type(text) is not str:
        shape.fail("policy", text, "a text")
    try:
        return parse(text)
    except TomlError as fault:
        raise EvidenceError(
            Reason.SHAPE, f"policy.toml: {fault}"[: shape.TEXT_BYTES_MAX]
        ) from fault


def parse(text: str) -> Policy:
    """The policy in a text. Raises TomlError with table and key."""
    document = Table(toml.parse(text, POLICY_CHARS_MAX))
    rules = tuple(_rule(row) for row in _few(document, "rule"))
    tariffs = tuple(_tariff(row) for row in _few(document, "tariff"))
    document.end()
    _check_services(tariffs)
    seen: set[tuple[Matter, Step | None]] = set()
    for at, rule in enumerate(rules):
        if (rule.matter, rule.step) in seen:
            step = f", {rule.step.name.lower()}" if rule.step else ""
            text = f"a second rule of {rule.matter.name.lower()}{step}"
            raise TomlError(("rule", at, "matter"), text)
        seen.add((rule.matter, rule.step))
    if (Matter.POLICY, None) not in seen:
        raise TomlError(("rule",), "none of policy: there could never be another one")
    return Policy(rules, tariffs)


def _check_services(tariffs: tuple[Tariff, ...]) -> None:
    """Rule 5."""
    of: dict[str, str] = {}
    for at, row in enumerate(tariffs):
        for name in sorted(row.names):
            if of.setdefault(name, folded(row.service)) != folded(row.service):
                raise TomlError(("tariff", at), f"{name!r} is another row's: {of[name]!r}")


def _few(of: Table, key: str) -> list[Table]:
    rows = list(of.tables(key))
    if len(rows) > ROWS_MAX:
        of.fail(key, len(rows), f"at most {ROWS_MAX}")
    return rows


def _rule(row: Table) -> Rule:
    matter = _MATTERS[row.word("matter", _MATTERS)]
    step = _STEPS[row.word("step", _STEPS)] if row.has("step") else None
    if step is not None and matter != Matter.HANDOFF:
        row.fail("step", step.name.lower(), "none, but of a handoff")
    sign = tuple(_asked(item) for item in _few(row, "sign"))
    least = 1 if any(one.reach is Reach.EACH for one in sign) else 0
    if row.has("footprints_min"):
        least = row.whole("footprints_min", least, NAMES_MAX)
    for at, one in enumerate(sign):
        if one.subject and matter != Matter.REGISTRY:
            raise TomlError((*row.steps, "sign", at, "subject"), "is of registry records alone")
    rule = Rule(
        matter, step,
        _roles(row, "author"),
        row.flag("author_anywhere"),
        row.flag("seam"),
        least,
        sign,
        tuple(_asked(item) for item in _few(row, "notify")),
        _hours(row, "expires_h"),
        _hours(row, "logged_within_h"),
    )  # fmt: skip
    row.end()
    return rule


def _asked(row: Table) -> Asked:
    if row.flag("subject"):
        row.end()
        return Asked(frozenset(), subject=True)
    part = _PARTS[row.word("part", _PARTS)] if row.has("part") else None
    roles = _roles(row, "role") if part is None or row.has("role") else frozenset[Role]()
    reach = Reach.ANYWHERE
    if part is None or row.has("of"):
        reach = _REACHES[row.word("of", _REACHES)]
    if reach is Reach.EACH and not roles:
        row.fail("of", reach.value, "a role, which is had there")
    row.end()
    return Asked(roles, part, reach)


def _tariff(row: Table) -> Tariff:
    service = _named(row, "service")
    least = row.number("minimum_kw")
    if least < 0.0:
        row.fail("minimum_kw", least, "0 or more")
    footprint = _named(row, "footprint") if row.has("footprint") else None
    also = row.words("also") if row.has("also") else ()
    for name in (service, *also):
        if not folded(name):
            row.fail("service", name, "names with a letter or a digit")
    row.end()
    return Tariff(service, least, footprint, also)


def _roles(row: Table, key: str) -> frozenset[Role]:
    found = frozenset(ROLES[word] for word in row.words(key, ROLES, alone=True))
    if not found:
        row.fail(key, [], "a role")
    return found


def _hours(row: Table, key: str) -> int | None:
    return row.whole(key, 1, HOURS_MAX) * HOUR_NS if row.has(key) else None


def _named(row: Table, key: str) -> str:
    text = row.text(key)
    try:
        return read_name(text, key)
    except EvidenceError as fault:
        raise TomlError((*row.steps, key), fault.text) from fault
