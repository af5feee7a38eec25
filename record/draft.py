"""A record as a person writes it, in TOML or JSON, made into what is signed.

    matter = "interchange"
    author = "West Balancing"            # or by --author
    from = 2026-11-26T10:00:00Z          # the interval that it is about
    to = 2026-11-26T11:00:00Z
    footprints = ["WEST"]
    elements = ["North Tie"]
    parents = ["<name of a statement>", "<batch id>/<place>"]    # 64 hex digits each
    parts = { owner = "West Balancing" }

and its body, in a table that is named like the matter where FORMS has it, else as it is encoded:

    body = [120.0, "hourly check-out"]   # "hex:0123" are bytes

1. Unknown keys are refused, with the place and the nearest known one.
2. Order is nobody's to know: names are sorted here.
3. What comes out is read back as a stranger would read it, before anybody signs it.

It signs nothing.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evidence import cbor, instant, toml
from evidence.code import ALG_ED25519, ALG_ESP256, Matter, Part, SeamKind
from evidence.config import ConfigError
from evidence.joint import claim, der, policy, registry, seam
from evidence.joint.matter import BODIES
from evidence.joint.record import ENTRY_BYTES_MAX, Observed, Parent, Record
from evidence.joint.seam import Dc, Line, Side
from evidence.key import PublicKey
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.toml import Table, TomlError
from evidence.trust import ROLES
from record.config import read_text

_MATTERS = {matter.name.lower(): matter for matter in Matter}
_PARTS = {part.name.lower(): part for part in Part}
_KINDS = {kind.name.lower(): kind for kind in SeamKind}
_ALGS = {32: ALG_ED25519, 64: ALG_ESP256}
DRAFT_CHARS_MAX = 4 * ENTRY_BYTES_MAX  # what is longer could not be an entry
Form = Callable[[Table, Path], bytes]  # with the folder that paths are relative to


def read(path: Path, author: str | None) -> Record:
    """The record that a file drafts; `author` stands in for a missing one. Raises ConfigError."""
    text = read_text(path)
    try:
        row = Table(_document(text, path.suffix == ".json"))
        found = _record(row, path.parent, author)
        row.end()
        reader = BODIES.get(found.matter)
        if reader is not None:
            reader(found.body)
        found.payload()
    except TomlError as fault:
        raise ConfigError(str(path), fault.key, fault.text) from fault
    except EvidenceError as fault:
        raise ConfigError(str(path), "", fault.text) from fault
    return found


def _document(text: str, is_json: bool) -> Any:
    if not is_json:
        return toml.parse(text, DRAFT_CHARS_MAX)
    if len(text) > DRAFT_CHARS_MAX:
        raise TomlError((), f"{len(text)} characters; at most {DRAFT_CHARS_MAX}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise TomlError((), f"not JSON: {fault}") from fault


def _record(row: Table, folder: Path, author: str | None) -> Record:
    matter = _MATTERS[row.word("matter", _MATTERS)]
    named = row.text("author") if row.has("author") else author
    if named is None:
        raise TomlError(("author",), "missing; or say it by --author")
    parts: list[tuple[Part, str]] = []
    if row.has("parts"):
        table = row.table("parts")
        parts = sorted((part, table.text(name)) for name, part in _PARTS.items() if table.has(name))
        table.end()
    return Record(
        matter,
        named,
        _names(row, "footprints"),
        _names(row, "elements"),
        tuple(parts),
        moment(row, "from"),
        moment(row, "to"),
        tuple(_parent(row, text) for text in _texts(row, "parents")),
        _body(row, matter, folder),
    )


def _body(row: Table, matter: Matter, folder: Path) -> bytes:
    name = matter.name.lower()
    form = FORMS.get(matter)
    if form is None or row.has("body"):
        value = row.value("body")
        if not isinstance(value, list):
            row.fail("body", value, "an array")
        return cbor.encode(_bytes(value, ("body",)))
    table = row.table(name)
    made = form(table, folder)
    table.end()
    return made


def _policy(row: Table, folder: Path) -> bytes:
    return policy.body(read_text(folder / row.text("file")))


def _registry(row: Table, _: Path) -> bytes:
    keys = []
    for item in row.tables("key"):
        raw = digits(item, "key")
        if len(raw) not in _ALGS:
            item.fail("key", item.text("key"), "the hex digits of 32 bytes (Ed25519) or 64 (P-256)")
        since = moment(item, "from") if item.has("from") else 0
        until = moment(item, "until") if item.has("until") else None
        keys.append(registry.Key(PublicKey(_ALGS[len(raw)], raw), since, until))
        item.end()
    return registry.Listing(
        row.text("name"),
        frozenset(ROLES[word] for word in row.words("roles", ROLES))
        if row.has("roles")
        else frozenset(),
        frozenset(_names(row, "footprints")),
        tuple(keys),
        frozenset(_hash(row, "revoked", text) for text in _texts(row, "revoked")),
        row.text("successor_of") if row.has("successor_of") else None,
    ).body()


def _seam(row: Table, _: Path) -> bytes:
    sides = [_side(item) for item in row.tables("side")]
    if len(sides) != 2:
        row.fail("side", len(sides), "two tables, [[seam.side]]")
    line = dc = None
    if row.has("line"):
        of = row.table("line")
        km = of.number("km") if of.has("km") else None
        line = Line(of.number("r_ohm"), of.number("x_ohm"), of.number("b_siemens"), km)
        of.end()
    if row.has("dc"):
        of = row.table("dc")
        dc = Dc(of.number("fixed_loss_mw"), of.number("loss_share"))
        of.end()
    kind = _KINDS[row.word("kind", _KINDS)]
    return seam.Seam(row.text("name"), kind, (sides[0], sides[1]), line, dc).body()


def _side(row: Table) -> Side:
    terminal = digits(row, "terminal", dashed=True) if row.has("terminal") else None
    made = Side(
        row.text("footprint"), row.text("authority"), digits(row, "node", dashed=True), terminal,
        row.number("rated_kv"), row.number("rated_a"),
    )  # fmt: skip
    row.end()
    return made


def _aggregation(row: Table, _: Path) -> bytes:
    assets = []
    for item in row.tables("asset"):
        assets.append((item.text("name"), item.number("kw")))
        item.end()
    return der.Aggregation(row.text("name"), row.text("service"), tuple(sorted(assets))).body()


def _claim(row: Table, _: Path) -> bytes:
    figures = []
    for item in row.tables("figure"):
        rounded = item.number("rounded") if item.has("rounded") else None
        made = claim.Figure(item.text("name"), item.text("unit"), item.number("value"), rounded)
        figures.append(made)
        item.end()
    source = row.text("source") if row.has("source") else ""
    return claim.Claim(row.text("text"), source, tuple(figures)).body()


# The matters that have a form of their own; what is not here is written as `body`.
FORMS: Mapping[Matter, Form] = {
    Matter.POLICY: _policy,
    Matter.REGISTRY: _registry,
    Matter.SEAM: _seam,
    Matter.DER_AGGREGATION: _aggregation,
    Matter.CLAIM: _claim,
}


def moment(row: Table, key: str) -> int:
    """An instant, ns TAI: of TOML's own kind, or a text. Raises TomlError."""
    value = row.value(key)
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if not isinstance(value, str):
        row.fail(key, value, f"an instant in UTC, such as {instant.EXAMPLE}")
    try:
        return instant.read(value)
    except ValueError as fault:
        raise TomlError((*row.steps, key), f"{fault}") from fault


def digits(row: Table, key: str, dashed: bool = False) -> bytes:
    """Bytes in hex; a UUID may have its dashes. Raises TomlError."""
    text = row.text(key)
    try:
        return bytes.fromhex(text.replace("-", "") if dashed else text)
    except ValueError:
        row.fail(key, text, "hex digits")


def _hash(row: Table, key: str, text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES:
        row.fail(key, text, f"{2 * HASH_BYTES} hex digits")
    return found


def _parent(row: Table, text: str) -> Parent:
    named, slash, place = text.partition("/")
    if not slash:
        return _hash(row, "parents", named)
    if not (place.isascii() and place.isdigit() and len(place) < 10):
        row.fail("parents", text, "a batch id and a place in it, ID/PLACE")
    return Observed(_hash(row, "parents", named), int(place))


def _texts(row: Table, key: str) -> tuple[str, ...]:
    return row.words(key) if row.has(key) else ()


def _names(row: Table, key: str) -> tuple[str, ...]:
    return tuple(sorted(_texts(row, key)))


def _bytes(value: Any, steps: toml.Steps) -> Any:
    """What the format writes of a body as it stands. Raises TomlError."""
    if isinstance(value, list):
        return [_bytes(item, (*steps, at)) for at, item in enumerate(value)]
    if isinstance(value, str) and value.startswith("hex:"):
        try:
            return bytes.fromhex(value[4:])
        except ValueError as fault:
            raise TomlError(steps, f"found {value[:60]!r}; expected hex digits") from fault
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TomlError(steps, f"found a {type(value).__name__}; expected a number, a text, an array")
