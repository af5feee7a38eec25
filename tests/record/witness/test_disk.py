"""A disk that fills up, and a damaged memory: a witness and a mirror answer so, keep nothing half,
sign nothing that is not kept, and go on once there is space.

The disks are small ones of the test's own (tmpfs).
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.tlog import checkpoint, cosignature
from record.database import StoreError
from record.witness import show, state
from record.witness.copy import Copy
from record.witness.witness import Cosigner, Witness
from tests.conftest import small_disk
from tests.record.witness import rig as rigs
from tests.record.witness.rig import Rig
from tests.record.witness.watched import (
    FORKED,
    HONEST,
    KEY,
    LOGS_KEY,
    NAME,
    NOW,
    ORIGIN,
    add,
    cosigned,
    served,
    witness_files,
)

DISK_BYTES = 1 << 20
PAGE_BYTES = 4096  # of tmpfs


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_BYTES) as place:
        yield place


def fill(disk: Path, free: int = 0) -> Path:
    """A file that leaves so many pages."""
    at = disk / "filler"
    found = os.statvfs(disk)
    at.write_bytes(bytes(max(found.f_bavail - free, 0) * found.f_frsize))
    return at


def test_a_witness_whose_disk_is_full_signs_nothing(disk: Path):
    """Answered 503 each time, whatever little space there is; then it goes on, and from where it
    was, also after a restart."""
    path, key = witness_files(disk)
    with served("witness", path, "--new") as (_, url):
        assert add(url, HONEST.body(0, 5))[0] == 200
        size, refused = 5, 0
        for free in range(4):
            filler = fill(disk, free)
            status, _, said = add(url, HONEST.body(size, size + 1))
            if status == 200:
                size += 1
                assert cosignature.times(cosigned(HONEST, size, said), key)
            else:
                assert (status, b"full" in said) == (503, True), said
                refused += 1
            filler.unlink()
            assert add(url, FORKED.body(size, size + 1))[0] == 422
        assert refused
        assert add(url, HONEST.body(size, 20))[0] == 200
    with served("witness", path) as (_, url):
        assert add(url, FORKED.body(20, 25))[0] == 422
        assert add(url, HONEST.body(20, 25))[0] == 200


def test_a_mirror_whose_disk_is_full_shows_and_signs_what_it_had(
    disk: Path, base: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
):
    """Whatever it has no room for: an entry, a folder, its memory, or the note alone."""
    rig = Rig(*base)
    rig.state.close()
    rig._store = disk / "mirror.db"
    state.make(rig._store, rigs.KEY.public.raw, rigs.NAME)
    rig.copy = Copy(disk / "copy", ORIGIN)
    rig.restart()
    rig.log.grow(250)
    rig.log.show()
    assert rig.pull() == 250
    failed = 0
    for free in range(12):
        rig.log.grow(7)
        rig.log.show()
        filler = fill(disk, free)
        before = rig.copy.published() or b""
        try:
            rig.pull()
        except StoreError as fault:
            failed += 1
            assert "No space left" in str(fault) or "full" in str(fault), fault
            assert rig.copy.published() == before
        shown = checkpoint.check(rig.copy.published() or b"", [LOGS_KEY])[1]
        assert shown.size <= rig.held()
        if free % 2:
            rig.state.close()
            filler.unlink()
            rig.restart()
        filler.unlink(missing_ok=True)
        rig.pull()
        assert rig.held() == len(rig.log.entries) and rig.whole() == []
        assert checkpoint.check(rig.copy.published() or b"", [LOGS_KEY])[1].size == rig.held()
    assert failed >= 3
    rig.state.close()


def test_no_damage_to_a_memory_leads_back(tmp_path: Path):
    """Each byte of what it remembers of the largest tree, and the file cut anywhere: it does not
    open, or knows the tree, or answers that it cannot. It never cosigns another history."""
    path = tmp_path / "witness.db"
    state.make(path, KEY.public.raw, NAME)
    kept = state.open_state(path, KEY.public.raw, NAME)
    witness = Witness(Cosigner(NAME, KEY, kept, lambda: NOW), {ORIGIN: [LOGS_KEY]})
    assert witness.add_checkpoint(HONEST.body(0, 9)).status == 200
    kept.close()
    good = path.read_bytes()
    root = HONEST.checkpoint(9).root
    spoiled = []
    for at in (one for one in range(len(good)) if good[one : one + 32] == root):
        places = range(at - len(ORIGIN) - 12, at + 40, 3)
        spoiled += [good[:one] + bytes([good[one] ^ 2]) + good[one + 1 :] for one in places]
    spoiled += [good[: len(good) * part // 16] for part in range(16)]
    spoiled += [bytes(len(good)), good[:4096] + bytes(len(good) - 4096)]
    assert len(spoiled) > 60
    refused = 0
    other = tmp_path / "other.db"
    for data in spoiled:
        other.write_bytes(data)
        try:
            kept = state.open_state(other, KEY.public.raw, NAME)
        except StoreError:
            refused += 1
            continue
        witness = Witness(Cosigner(NAME, KEY, kept, lambda: NOW), {ORIGIN: [LOGS_KEY]})
        for old, size in ((0, 8), (8, 9), (9, 9), (9, 10), (11, 12)):
            assert witness.add_checkpoint(FORKED.body(old, size)).status in (409, 422, 503)
        kept.close()
    assert refused > len(spoiled) // 2


def test_a_memory_that_is_damaged_says_so(tmp_path: Path):
    path = tmp_path / "witness.db"
    state.make(path, KEY.public.raw, NAME)
    kept = state.open_state(path, KEY.public.raw, NAME)
    witness = Witness(Cosigner(NAME, KEY, kept, lambda: NOW), {ORIGIN: [LOGS_KEY]})
    for old, size in ((0, 5), (5, 9)):
        assert witness.add_checkpoint(HONEST.body(old, size)).status == 200
    assert not show.accused(show.summary(kept))
    kept._db.execute("UPDATE held SET size = 5")
    found = show.summary(kept)
    assert show.accused(found) and f"what it has of {ORIGIN}" in show.shown(found)
    kept.close()
    with pytest.raises(StoreError, match=f"what it has of {ORIGIN} contradicts itself"):
        state.open_state(path, KEY.public.raw, NAME)
    shutil.copy(path, tmp_path / "away.db")
    (tmp_path / "away.db").write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StoreError):
        state.open_state(tmp_path / "away.db", KEY.public.raw, NAME)
