"""What the page is told of a store: where there is nothing yet, of witnesses, and how often a
record is read."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from evidence.code import Typ
from evidence.leap import NS
from evidence.tlog import checkpoint, cosignature
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from evidence.tlog.policy import Group, Holder, Policy
from record.lookup import NotFoundError
from record.page import drawing, layout
from record.page.answer import Page
from record.page.state import RECORDS_MAX, Look
from record.publishing import Publishing
from record.schema import NoteRow
from tests.evidence.joint.sharing import EAST, interchange, says_seam
from tests.record.gateway import START, key
from tests.record.settle.border import BUS, TIE, Shared
from tests.record.upstream import LOG, Upstream

LOG_KEY = Verifier("demo", ED25519, LOG.public)
ONE, OTHER = key("witness one"), key("witness other")
KEYS = {
    name: Verifier(name, COSIGNATURE, one.public) for name, one in (("one", ONE), ("other", OTHER))
}
TOLD = Publishing(
    LOG_KEY, 1.0,
    Policy(
        (Holder(LOG_KEY),), {name: Holder(one) for name, one in KEYS.items()},
        {"quorum": Group(1, ("one", "other"))}, "quorum",
    ),
    {},
)  # fmt: skip


def next_of(told: dict[str, Any]) -> str:
    """What the page says to do next."""
    text = layout.document(told, dict.fromkeys(("page.css", "renew.js", "verify.js"), "x"), "")
    _, _, rest = text.partition("<strong>Next: </strong>")
    return rest.partition("</p>")[0]


def test_an_empty_record_a_record_without_a_seam_and_a_seam_without_data_say_what_to_do(
    tmp_path: Path,
):
    upstream = Upstream(tmp_path / "empty.db")
    assert next_of(Look(upstream.store, TOLD).told(None)).startswith("This record is empty: point")
    upstream.close()
    shared = Shared(tmp_path / "record.db")
    look = Look(shared.store, TOLD)
    assert next_of(look.told(None)).startswith("No seam is in force: say one with")
    shared.agree(says_seam(BUS), EAST)
    found = look.told(None)
    assert found["seam"] == BUS.name
    assert next_of(found).startswith("Nothing of West Balancing (WEST) and East Pool (EAST) was")
    with pytest.raises(NotFoundError, match="no seam 'X'"):
        look.told("X")
    shared.upstream.close()


def test_who_cosigned_the_published_note_and_who_did_not(tmp_path: Path):
    shared = Shared(tmp_path / "record.db", TIE)
    size = shared.size
    tree = Checkpoint("demo", size, shared.upstream.log.root())
    signed = checkpoint.sign(tree, LOG)
    lines = [
        cosignature.sign(signed.text, "one", ONE, 1_790_000_000),
        cosignature.sign(signed.text, "stranger", key("stranger"), 1_790_000_000),
    ]
    encoded = signed.with_lines(lines).encode()
    shared.store.add_note(NoteRow(size, encoded, bytes(32)))
    shared.say(interchange())
    log = Look(shared.store, TOLD).told(None)["log"]
    assert (log["published"]["size"], log["published"]["behind_entries"]) == (size, 1)
    assert [(one["name"], one["asked"], one["cosigned"]) for one in log["cosigners"]] == [
        ("one", True, "2026-09-21T14:13:20Z"), ("other", True, None), ("stranger", False, None),
    ]  # fmt: skip
    shared.upstream.close()


def test_what_waits_is_shown_whatever_came_since(tmp_path: Path):
    shared = Shared(tmp_path / "record.db", TIE)
    look = Look(shared.store, TOLD)
    waits = shared.say(interchange(mwh=1.0))
    look.told(None)
    for at in range(RECORDS_MAX + 2):
        begins = START - (at + 9) * 3600 * NS
        shared.agree(interchange(mwh=2.0, begins=begins, ends=begins + 3600 * NS), EAST)
    found = look.told(None)["records"]
    assert [row["entry"] for row in found if row["state"] == "pending"] == [waits.idx]
    assert shared.store.entry(waits.idx).typ == Typ.RECORD  # type: ignore[union-attr]
    shared.upstream.close()


def test_a_hundred_browsers_cost_as_much_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shared = Shared(tmp_path / "record.db", BUS)
    shared.upstream.close()
    looks: list[int] = []
    told = Look.told

    def counted(*asked: Any) -> Any:
        looks.append(1)
        return told(*asked)

    monkeypatch.setattr(Look, "told", counted)
    clock = [0.0]
    page = Page(tmp_path / "record.db", TOLD, lambda: clock[0])

    async def ask() -> set[bytes]:
        paths = ["/page/seam.json", "/"] * 50
        shown = await asyncio.gather(*(page.answered("GET", path) for path in paths))
        return {one.body for one in shown if one is not None and one.status == 200}

    async def run() -> None:
        assert len(await ask()) == 2
        assert len(looks) == 1
        clock[0] += 0.9
        await ask()
        assert len(looks) == 1
        clock[0] += 0.2
        found = await ask()
        assert len(looks) == 2
        assert any(json.loads(one)["seam"] == BUS.name for one in found if one[:1] == b"{")
        await page.close()

    asyncio.run(run())


def test_what_is_no_page_is_said_so_however_it_is_spelled(tmp_path: Path):
    async def asked() -> None:
        page = Page(tmp_path / "none.db", TOLD, lambda: 1.0)
        for path in ("//[x/", "//[/page/now?seam=x", "//host/page/now", "/pages", "/v1/checkpoint"):
            assert await page.answered("GET", path) is None
        for path, status in (("/page/x", 404), ("/page/static/../page.css", 404)):
            shown = await page.answered("GET", path)
            assert shown is not None and shown.status == status
        await page.close()

    asyncio.run(asked())


def test_a_strip_of_nothing_comparable_and_of_what_is_beyond_is_drawn():
    row: dict[str, Any] = {"from": "a", "to": "b"}
    rows: list[dict[str, Any]] = [
        row | {"share": None, "verdict": "not_comparable"},
        row | {"share": 80.0, "verdict": "disputed"},
    ]
    text = drawing.strip(rows, "<Tie>")
    assert "is-not-comparable" in text and text.count("\u2717") == 1
    assert "<Tie>" not in text and "&lt;Tie&gt;" in text
