"""The book and its rows on disk: torn, flipped, locked, cut; and never a credential it does not
name.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evidence.book import Issued
from provisioning.authority import folder, issue, outfile, request, sequence
from provisioning.authority.refusal import RefusedError
from provisioning.authority.standing import Register
from provisioning.enrol import parcel
from provisioning.placement import PlacementError
from tests.provisioning import power
from tests.provisioning.authority.desk import NOW_S, Asker, Desk, desk, tai
from tests.provisioning.power import PowerCutError


@pytest.fixture
def at(tmp_path: Path) -> Desk:
    found = desk(tmp_path / "utility")
    found.answer(Asker().file())
    found.answer(Asker("gw-8", 2).file())
    return found


@pytest.mark.parametrize("name", ["book.cbor", "issued.cbor"])
def test_a_tail_that_a_power_cut_left_is_named_and_cut_by_the_next(at: Desk, name: str) -> None:
    """Every length at which the last thing may have ended."""
    path = at.place / name
    whole = path.read_bytes()
    end_of = sequence.message_end if name == "book.cbor" else sequence.bytes_end
    items = sequence.read(whole, name, end_of).items
    last = items[-1]
    for length in (1, 2, 3, 19, 20, 21, 40, len(last) // 2, len(last) - 64, len(last) - 1):
        left = whole[: len(whole) - len(last) + length]
        found = sequence.read(left, name, end_of)
        assert found.items == items[:-1] and found.tail == length
    zeros = sequence.read(whole + bytes(4096), name, end_of)
    assert zeros.items == items and zeros.tail == 4096


def test_a_torn_tail_is_cut_when_the_next_entry_is_written(at: Desk) -> None:
    path = at.place / "book.cbor"
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(at.read().book.lines[-1].encoded[:100])
    assert at.read().book.tail == 100
    assert path.read_bytes()[: len(whole)] == whole  # reading mends nothing
    at.answer(Asker("gw-9", 3).file())
    book = at.read().book
    assert (len(book.lines), book.tail) == (4, 0)
    assert path.read_bytes()[: len(whole)] == whole


def test_what_is_cut_is_kept_and_said(at: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The length of the last entry is damaged: that is no power cut, and looks like one."""
    path = at.place / "book.cbor"
    whole = path.read_bytes()
    last = bytearray(at.read().book.lines[-1].encoded)
    last[22] ^= 0x80  # of the payload's length, behind a head of 21 bytes and 0x58
    path.write_bytes(whole[: -len(last)] + last)
    assert at.read().book.tail == len(last)
    assert not list(at.place.glob("*.cut-*"))  # reading keeps nothing
    at.answer(Asker("gw-9", 3).file())
    (kept,) = at.place.glob("book.cbor.cut-*")
    assert kept.read_bytes() == last and kept.stat().st_mode & 0o777 == 0o600
    assert kept.name in caplog.text and "authority list" in caplog.text
    assert at.read().book.tail == 0


def test_nothing_is_cut_that_could_not_be_kept(at: Desk) -> None:
    class Full(sequence.SystemDisk):
        def write_new(self, path: Path, content: bytes, mode: int) -> None:
            raise OSError(28, "No space left on device")

    path = at.place / "book.cbor"
    torn = path.read_bytes()[:-10]
    path.write_bytes(torn)
    with pytest.raises(PlacementError, match=r"No space left.*nothing was cut"):
        issued(at, Asker("gw-9", 3).file(), at.place / "out", Full())
    assert path.read_bytes() == torn


def test_a_flipped_bit_anywhere_is_refused_and_nothing_is_cut(at: Desk) -> None:
    for name in ("book.cbor", "issued.cbor"):
        path = at.place / name
        whole = path.read_bytes()
        last = at.read().book.lines[-1].encoded
        end = len(whole) - len(last) if name == "book.cbor" else len(whole)
        for place in range(0, end, 7):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            path.write_bytes(damaged)
            with pytest.raises((PlacementError, RefusedError)):
                at.answer(Asker("gw-9", 3).file())
            assert path.read_bytes() == damaged, place
        path.write_bytes(whole)


def test_a_book_without_its_rows_is_refused(at: Desk) -> None:
    path = at.place / "issued.cbor"
    items = sequence.read(path.read_bytes(), "", sequence.bytes_end).items
    path.write_bytes(items[0])
    with pytest.raises(PlacementError, match="lacks 1 of the credentials"):
        at.read()


def test_a_book_of_another_authority_is_refused(at: Desk, tmp_path: Path) -> None:
    path = at.place / "authority.toml"
    path.write_text(path.read_text().replace('"Utility A"', '"Utility B"'))
    with pytest.raises(PlacementError, match=r"is of 'Utility A'.*authority\.toml says otherwise"):
        at.read()


def test_one_at_a_time(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "LOCK_S", 0.3)
    handle = os.open(at.place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(PlacementError, match="another program writes to it"):
            at.answer(Asker("gw-9", 3).file())
        assert len(at.read().book.lines) == 3  # who reads needs no lock
    finally:
        os.close(handle)
    at.answer(Asker("gw-9", 3).file())


def test_many_at_once_make_one_chain(at: Desk, tmp_path: Path) -> None:
    """Eight programs, a credential each."""
    code = (
        "import sys; from tests.provisioning.authority.desk import *\n"
        "n = int(sys.argv[2]); place = Path(sys.argv[1])\n"
        "key = keyfile.read(place / 'root.key'); tls = keyfile.read(place / 'tls-ca.key')\n"
        "Desk(place, key, tls, Random(n)).answer(Asker(f'gw-{n}', n, random=Random(n)).file())\n"
    )
    root = Path(__file__).parents[3]
    argv = [sys.executable, "-c", code, str(at.place)]
    running = [subprocess.Popen([*argv, str(n)], cwd=root) for n in range(10, 18)]
    assert [one.wait(50) for one in running] == [0] * 8
    book = at.read().book
    assert [line.entry.number for line in book.lines] == list(range(11))


# --- the power goes


class CutDisk(power.CutDisk, sequence.SystemDisk):
    """A disk whose power is cut: while something is appended, too."""

    def append(self, path: Path, at: int, content: bytes) -> None:
        def half() -> None:
            with path.open("r+b") as file:
                file.seek(at)
                file.write(content[: len(content) // 2])

        self._step(half)
        super().append(path, at, content)


def issued(at: Desk, data: bytes, out: Path, disk: sequence.Disk | None = None) -> None:
    """As `authority issue`: row, entry, file."""
    found = request.read(data)
    with folder.writing(at.place, at.root, tai(), disk) as of:
        when = (NOW_S, 365)
        row = issue.answered(of, found, request.Terms(), at.keys, when, at.random.randbytes)
    outfile.write(out, parcel.pack(row.answer or b""), disk=disk)


@pytest.mark.parametrize("loss", ["everything", "nothing", "oldest"])
def test_a_power_cut_at_any_step_of_issue_costs_nothing(tmp_path: Path, loss: str) -> None:
    for cut in range(1, 50):
        place = tmp_path / str(cut)
        at, out, attic = desk(place / "utility"), place / "answer.gse", place / "attic"
        attic.mkdir()
        data = Asker().file()
        done = True
        try:
            issued(at, data, out, CutDisk(cut, loss, attic))
        except PowerCutError:
            done = False
        held = out.read_bytes() if out.exists() else None
        issued(at, data, out)
        of = at.read()
        named = [line.entry.what for line in of.book.lines if isinstance(line.entry.what, Issued)]
        # One credential for this request, and the book names every one that was ever signed.
        assert len(named) == len(of.rows) == 1 and of.book.tail == 0
        assert Register(of, NOW_S).all()[0].state == "live"
        assert held in (None, out.read_bytes())
        if done:
            return
    raise AssertionError("never done")


def test_a_row_without_an_entry_is_entered_by_whoever_writes_next(at: Desk, tmp_path: Path) -> None:
    attic = tmp_path / "attic"
    attic.mkdir()
    data = Asker("gw-9", 3).file()
    with pytest.raises(PowerCutError):
        issued(at, data, tmp_path / "out", CutDisk(2, "nothing", attic))
    left = Register(at.read(), NOW_S).all()[-1]
    assert (left.row.says.subject, left.state) == ("gw-9", "not entered")
    at.answer(Asker("gw-10", 4).file())
    of = at.read()
    assert [row.says.subject for row in of.rows] == ["gw-7", "gw-8", "gw-9", "gw-10"]
    assert [line.entry.what for line in of.book.lines[1:]] == [row.entry() for row in of.rows]
    assert at.answer(data).name == left.row.name


def test_a_disk_that_is_full_leaves_all_as_it_was(at: Desk) -> None:
    class Full(sequence.SystemDisk):
        def append(self, path: Path, at: int, content: bytes) -> None:
            raise OSError(28, "No space left on device")

    before = {path.name: path.read_bytes() for path in at.place.iterdir()}
    with pytest.raises(PlacementError, match=r"No space left.*nothing was added"):
        issued(at, Asker("gw-9", 3).file(), at.place / "out", Full())
    assert {path.name: path.read_bytes() for path in at.place.iterdir()} == before


def test_a_length_that_was_damaged_is_no_torn_tail(at: Desk) -> None:
    """One bit makes an entry longer than the rest of the file: those behind it are still there."""
    path = at.place / "book.cbor"
    whole = bytearray(path.read_bytes())
    first = len(at.read().book.lines[0].encoded)
    place = first + 2 + 18 + 1  # tag and array, protected header, no unprotected one
    assert whole[place] == 0x58  # the payload, of some hundred bytes
    whole[place] ^= 1  # 0x59: its length has two bytes now
    path.write_bytes(whole)
    with pytest.raises(PlacementError, match="damaged behind its entry 0"):
        at.answer(Asker("gw-9", 3).file())
    assert path.read_bytes() == whole
