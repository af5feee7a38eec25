"""A record as a person writes it, in TOML or JSON, made into what is signed.

    matter = "interchange"
    author = "West Balancing"            # or by --author
    from = 2026-11-26T10:00:00Z          # the interval that it is about
    to = 2026-11-26T11:00:00Z
    footprints = ["WEST"]
    elements = ["North Tie"]
    parents = ["<name of a statement>", "<batch id>/<place>"]    # 64 hex digits each
    parts = { owner = "West Balancing" }

and its body, in a table that is named like the matter where record.form has one, else as it is
encoded:

    body = [120.0, "hourly check-out"]   # "hex:0123" are bytes

1. Unknown keys are refused, with the place and the nearest known one.
2. Order is nobody's to know: names are sorted here.
3. What comes out is read back as a stranger would read it, before anybody signs it.

It signs nothing.
"""

import json
from pathlib import Path
from typing import Any

from evidence import cbor, toml
from evidence.code import Matter, Part
from evidence.config import ConfigError
from evidence.joint.matter import BODIES
from evidence.joint.record import ENTRY_BYTES_MAX, Observed, Parent, Record
from evidence.refusal import EvidenceError
from evidence.toml import Table, TomlError
from record import form
from record.config import read_text

_MATTERS = {matter.name.lower(): matter for matter in Matter}
_PARTS = {part.name.lower(): part for part in Part}
DRAFT_CHARS_MAX = 4 * ENTRY_BYTES_MAX  # what is longer could not be an entry


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
        form.names(row, "footprints"),
        form.names(row, "elements"),
        tuple(parts),
        form.moment(row, "from"),
        form.moment(row, "to"),
        tuple(_parent(row, text) for text in form.texts(row, "parents")),
        _body(row, matter, folder),
    )


def _body(row: Table, matter: Matter, folder: Path) -> bytes:
    name = matter.name.lower()
    write = form.FORMS.get(matter)
    if write is None or row.has("body"):
        value = row.value("body")
        if not isinstance(value, list):
            row.fail("body", value, "an array")
        return cbor.encode(_bytes(value, ("body",)))
    table = row.table(name)
    made = write(table, folder)
    table.end()
    return made


def _parent(row: Table, text: str) -> Parent:
    named, slash, place = text.partition("/")
    if not slash:
        return form.hash_of(row, "parents", named)
    if not (place.isascii() and place.isdigit() and len(place) < 10):
        row.fail("parents", text, "a batch id and a place in it, ID/PLACE")
    return Observed(form.hash_of(row, "parents", named), int(place))


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
