"""What authorities share, in a record: over HTTP, over a restart, over a commit that fails; and the
same again in an audit."""

import json
from pathlib import Path
from typing import Any

import pytest

from evidence import cose, receipt
from evidence.code import Matter, Reason, Role, Typ, Word
from evidence.joint.shelf import Memory
from evidence.joint.state import Docket, State, replayed
from evidence.key import Ed25519Key
from evidence.leap import NS
from record.cli import main
from record.database import Place
from record.joint import Shelf
from record.schema import Entry
from record.sequencer import Placed
from record.store import StoreError, open_reader
from tests.evidence.joint.sharing import (
    EAST,
    FOUNDERS,
    HOUR,
    KEYS,
    STATE,
    WEST,
    aggregation,
    decision,
    founders_text,
    interchange,
    listing,
    lists,
    name_of,
    record,
    says_policy,
    says_seam,
    signed,
    word,
)
from tests.record.gateway import Statement
from tests.record.test_audit import SHARING, anchors_text, share
from tests.record.test_service import Client, believed, over_http
from tests.record.upstream import BOTH, NOW, Upstream

pytestmark = BOTH
RECENT = {"begins": NOW - 2 * HOUR, "ends": NOW - HOUR}


@pytest.fixture
def shared(place: Place) -> Any:
    """A record in which policy and tie are in force."""
    upstream = Upstream(place, authorities=SHARING)
    rule(upstream)
    yield upstream
    upstream.close()


def rule(upstream: Upstream) -> None:
    for of, others in ((says_policy(), (EAST, STATE)), (says_seam(), (EAST,))):
        send(upstream, signed(of), *(word(of, who) for who in others))


def send(upstream: Upstream, *encoded: bytes, now: int = NOW) -> list[Entry]:
    return upstream.send(*map(Statement, encoded), now=now)


def hour(mwh: float = 120.0, author: str = WEST) -> Any:
    return interchange(author, mwh, **RECENT)


def state(upstream: Upstream, of: Any, tai: int = NOW) -> State:
    docket = Docket(FOUNDERS, Shelf(upstream.store))
    found = docket.standing(name_of(of), upstream.store.size(), tai)
    assert found is not None
    return found.state


def holds(place: Place, folder: Path) -> bool:
    path = folder / "anchors.toml"
    path.write_text(anchors_text() + founders_text())
    return main(["verify", str(place), "--anchors", str(path)]) == 0


def test_from_a_founders_policy_to_a_joint_hour_over_http(place: Place, tmp_path: Path):
    """And the same bytes again are answered with the same receipt: a replay is no second record."""

    async def what(client: Client) -> None:
        policy, tie = says_policy(), says_seam()
        of = hour()
        for encoded in (
            signed(policy), word(policy, EAST), word(policy, STATE),
            signed(tie), word(tie, EAST), word(of, EAST), signed(of),
        ):  # fmt: skip
            one = Statement(encoded)
            status, answer = await client.send(one)
            assert status == 200, answer
            believed(answer, encoded, one.subject)
            assert await client.send(one) == (200, (answer[0], ()))

    over_http(place, what, SHARING)
    store = open_reader(place)
    row = store.joint(name_of(hour()))
    assert row is not None and (row.state, row.since, store.size()) == (State.JOINT, 6, 7)
    store.close()
    assert holds(place, tmp_path)


def test_what_may_not_be_said_is_refused_and_kept_under_its_signers_key(
    place: Place, capsys: pytest.CaptureFixture[str]
):
    broken = bytearray(word(hour(), EAST))
    broken[-1] ^= 1
    stranger = Ed25519Key(bytes(32))
    refused = {
        bytes(broken): (Reason.SIGNATURE, b""),
        signed(hour(), stranger): (Reason.UNKNOWN_AUTHORITY, b""),
        word(hour(), EAST, by=KEYS[WEST]): (Reason.UNKNOWN_AUTHORITY, KEYS[WEST].public.raw),
        signed(hour(author=STATE)): (Reason.ROLE, KEYS[STATE].public.raw),
        signed(record(Matter.POLICY, WEST)): (Reason.SHAPE, KEYS[WEST].public.raw),
    }

    async def what(client: Client) -> None:
        for of, others in ((says_policy(), (EAST, STATE)), (says_seam(), (EAST,))):
            for encoded in (signed(of), *(word(of, who) for who in others)):
                assert (await client.send(Statement(encoded)))[0] == 200
        for encoded, (reason, _) in refused.items():
            status, answer = await client.send(Statement(encoded))
            told = receipt.read_refusal(cose.read_statement(answer, Typ.REFUSAL).payload)
            assert (status, told.reason) == (422, reason)

    over_http(place, what, SHARING)
    store = open_reader(place)
    kept = {row.content: row.device for row in store.exhibits()}
    store.close()
    assert kept == {encoded: whose for encoded, (_, whose) in refused.items()}
    assert main(["show", "--json", str(place)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["records"] == {"policy": {"joint": 1}, "seam": {"joint": 1}}


def test_a_key_that_expired_or_was_revoked_signs_nothing(shared: Upstream):
    own = listing(EAST, Role.BA, Role.RC, at=["EAST"])
    gone = frozenset({bytes.fromhex(KEYS[EAST].public.fingerprint)})
    until = [key._replace(until=NOW + HOUR) for key in own.keys]
    entry = lists(listing(EAST, Role.BA, Role.RC, at=["EAST"], keys=tuple(until)), author=EAST)
    send(shared, signed(entry), word(entry, WEST), word(entry, STATE), signed(hour()))
    for now, reason in ((NOW + HOUR, Reason.KEY_EXPIRED), (NOW, Reason.KEY_REVOKED)):
        if reason is Reason.KEY_REVOKED:
            taken = lists(listing(EAST, Role.BA, at=["EAST"], revoked=gone), author=EAST)
            send(shared, signed(taken))
        with pytest.raises(Exception, match=reason.name.lower()):
            send(shared, word(hour(), EAST), now=now)
    assert state(shared, hour()) == State.PENDING


def test_a_restart_finds_what_was_in_force(place: Place, tmp_path: Path):
    first = Upstream(place, authorities=SHARING)
    share(first)
    send(first, signed(hour()))
    first.close()
    again = Upstream(place, authorities=SHARING)
    send(again, word(hour(), EAST))
    assert state(again, hour()) == State.JOINT
    twice = aggregation("Others", author="Roof Hub")
    send(again, signed(twice))
    found = Shelf(again.store).case(name_of(twice))
    assert found is not None and found.flags == (Reason.AGGREGATED_TWICE,)
    again.close()
    assert holds(place, tmp_path)


def test_all_of_it_in_one_commit(place: Place, tmp_path: Path):
    """A record and its words find each other within a group, and in any order."""
    upstream = Upstream(place, authorities=SHARING)
    policy, tie, of = says_policy(), says_seam(), hour()
    together = [
        word(policy, EAST), signed(policy), word(policy, STATE), signed(tie), word(tie, EAST),
        word(of, EAST), signed(of),
    ]  # fmt: skip
    items = [upstream.admitter.statement(encoded, ()) for encoded in together]
    placed: list[Placed] = upstream.sequencer.append(items, NOW)
    upstream.sequencer.finish()
    assert all(isinstance(one, Entry) for one in placed)
    assert state(upstream, of) == State.JOINT
    upstream.close()
    assert holds(place, tmp_path)


def test_a_commit_that_fails_leaves_no_law(shared: Upstream, monkeypatch: pytest.MonkeyPatch):
    third = lists(listing("Third", Role.BA, at=["SOUTH"]))
    send(shared, signed(third), word(third, EAST))
    with monkeypatch.context() as broken:
        broken.setattr(shared.store, "commit", _fails)
        with pytest.raises(StoreError):
            send(shared, word(third, STATE))
    of = decision(Matter.DISPATCH, "Third", footprints=("SOUTH",), **RECENT)
    with pytest.raises(Exception, match="unknown_authority"):
        send(shared, signed(of))
    send(shared, word(third, STATE), signed(of))
    assert state(shared, of) == State.JOINT


def _fails() -> None:
    raise StoreError("the disk is gone")


def test_the_log_alone_comes_to_the_same(place: Place, shared: Upstream):
    """As a verifier reckons that has the entries and their clock, and no table of the record."""
    of, late = hour(), hour(7.0)
    send(shared, signed(of), word(of, EAST), word(of, EAST, Word.DISSENT), signed(late))
    send(shared, word(late, EAST), now=NOW + 200 * HOUR)
    shelf = Memory()
    docket = Docket(FOUNDERS, shelf)
    clock = [NOW] * (shared.log.size - 1) + [NOW + 200 * HOUR]
    entries = [(entry.idx, clock[entry.idx], entry.encoded) for entry in shared.store.entries()]
    assert [fault for _, fault in replayed(docket, entries)] == [None] * len(entries)
    rows = {row.name: (State(row.state), row.since) for row in shared.store.joints()}
    assert rows == shelf.states
    assert {rows[name_of(of)][0], rows[name_of(late)][0]} == {State.DISPUTED, State.EXPIRED}


def test_what_expired_without_a_word_is_shown_so(
    place: Place, shared: Upstream, capsys: pytest.CaptureFixture[str]
):
    send(shared, signed(hour()))
    send(shared, signed(hour(7.0)), now=NOW + 169 * HOUR + NS)
    assert main(["show", "--json", str(place)]) == 0
    shown = json.loads(capsys.readouterr().out)["records"]
    assert shown["interchange"] == {"pending": 1, "expired": 1}
