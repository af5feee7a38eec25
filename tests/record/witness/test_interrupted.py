"""A copy that is interrupted goes on where it was, and believes nothing of what was left."""

import pytest

from drivers.c37118.wire import Layout
from evidence import cose
from record.database import StoreError
from record.witness.source import Source, SourceError
from tests.record.gateway import Gateway, frame, id_of
from tests.record.upstream import AUTHORITY
from tests.record.witness.rig import Rig


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the mirror asks the log for, as it asks."""
    paths: list[str] = []
    get = Source.get

    async def noted(self: Source, path: str, most: int) -> bytes:
        paths.append(path)
        return await get(self, path, most)

    monkeypatch.setattr(Source, "get", noted)
    return paths


def interrupted(rig: Rig, path: str = "tile/entries/002") -> None:
    """A first copy of 800 entries that ends before this."""
    rig.log.grow(800)
    rig.log.show()
    data = rig.log.read(path)
    (rig.log.folder / path).unlink()
    with pytest.raises(SourceError, match="is not there"):
        rig.pull()
    rig.log.put(path, data)
    rig.state.close()
    rig.restart()


def test_it_goes_on_where_it_was(rig: Rig, asked: list[str]):
    interrupted(rig)
    asked.clear()
    assert rig.pull() == 800
    grown = asked[: asked.index("tile/entries/003.p/32")]
    assert "tile/entries/002" in grown
    assert not {"tile/entries/000", "tile/entries/001"} & set(grown)
    assert rig.whole() == [] and not list((rig.copy.folder / ".pending").iterdir())


def test_a_log_that_grew_meanwhile_leaves_nothing_of_the_first_attempt(rig: Rig):
    interrupted(rig, "tile/entries/003.p/32")
    rig.log.grow(40)
    rig.log.show()
    assert rig.pull() == 840
    assert rig.whole() == []
    assert sorted(at.name for at in (rig.copy.folder / "tile/entries/003.p").iterdir()) == ["72"]


@pytest.mark.parametrize("byte", [0, 5])
def test_what_was_left_is_not_believed_nor_the_log_accused(rig: Rig, byte: int):
    interrupted(rig)
    at = rig.copy.folder / ".pending/tile/entries/001"
    data = bytearray(at.read_bytes())
    data[byte] ^= 1
    at.write_bytes(data)
    with pytest.raises(StoreError, match="what an interrupted copy left is not of this tree"):
        rig.pull()
    assert (rig.held(), rig.found(), rig.copy.published()) == (0, [], None)
    assert rig.pull() == 800 and rig.whole() == []


def test_observations_that_were_left_are_checked_again(rig: Rig, cfg: bytes, layout: Layout):
    run = Gateway("gw-1", AUTHORITY).start()
    described = run.describe(1, cfg)
    batches = []
    for number in range(2):
        run.observe(1, frame(layout, number))
        batches.append(run.cut())
    heads = [cose.read_at(batch, 0)[0].encoded for batch in batches]
    rig.log.commit(run.statement.encoded, described.encoded, *heads)
    first, second = (
        (id_of(batch), batch[len(head) :]) for batch, head in zip(batches, heads, strict=True)
    )
    rig.log.bodies = dict([first])
    rig.log.show()
    with pytest.raises(SourceError, match="is not there"):
        rig.pull()
    (left,) = (rig.copy.folder / ".pending/v1/body").glob("*/*/*")
    left.write_bytes(left.read_bytes()[:-1])
    rig.log.bodies = dict([first, second])
    rig.log.show()
    assert rig.pull() == 4 and rig.whole() == []
