"""Files of other people as they are opened: sizes, archives, and what is none."""

import io
import os
import struct
import zipfile
from pathlib import Path

import pytest

from evidence.config import ConfigError
from provisioning.plan import intake


def archive(path: Path, files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def read(path: Path) -> dict[str, bytes]:
    return {name: b"".join(pieces) for name, pieces in intake.members(path, ".xml")}


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as fault:
        read(path)
    assert fault.value.file.startswith(str(path))
    return fault.value.text


def test_a_file_of_200_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "station.scd"
    with path.open("wb") as file:
        file.truncate(200_000_000)  # a hole: nothing is on disk
    with pytest.raises(ConfigError, match="200000000 octets; at most 67108864"):
        list(intake.pieces(path, 64 << 20))


@pytest.mark.parametrize("kind", ["absent", "folder", "pipe", "device"])
def test_what_is_no_file_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # opened, it would wait for whoever writes
    elif kind == "device":
        path = Path("/dev/zero")
    with pytest.raises(ConfigError) as fault:
        list(intake.pieces(path, 100))
    assert fault.value.file == str(path)


def test_files_of_an_archive_come_out_in_order(tmp_path: Path) -> None:
    files = {"b_EQ.xml": b"<b/>" * 50_000, "notes.txt": b"-", "sub/a_EQBD.XML": b"<a/>"}
    path = archive(tmp_path / "model.zip", files)
    assert intake.is_archive(path)
    assert read(path) == {
        f"{path}/b_EQ.xml": files["b_EQ.xml"],
        f"{path}/sub/a_EQBD.XML": b"<a/>",
    }
    (tmp_path / "plain.xml").write_bytes(b"<a/>")
    assert not intake.is_archive(tmp_path / "plain.xml")


def test_a_name_in_an_archive_is_only_a_name(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.zip", {"../../outside.xml": b"<a/>"})
    assert list(read(path).values()) == [b"<a/>"]
    assert os.listdir(tmp_path) == ["model.zip"]


def test_a_bomb_is_read_in_pieces(tmp_path: Path) -> None:
    """100 MB of zeros in 100 KB: whoever reads them stops where he likes."""
    path = archive(tmp_path / "bomb.zip", {"a.xml": bytes(100 << 20)})
    assert path.stat().st_size < 200_000
    for _, pieces in intake.members(path, ".xml"):
        assert len(next(iter(pieces))) <= 1 << 16
        break


def test_archives_that_are_none(tmp_path: Path) -> None:
    good = archive(tmp_path / "good.zip", {"a.xml": b"<a/>" * 100}).read_bytes()
    path = tmp_path / "bad.zip"
    for content in (
        b"PK\x03\x04",
        good[:-30],
        good[: len(good) // 2],
        good.replace(b"a.xml", b"b.xml", 1),  # the directory names another
        good[:40] + bytes(20) + good[60:],
        good[:-22] + b"PK\x06\x07" + bytes(16) + good[-22:],
    ):
        path.write_bytes(content)
        refused(path)
    directory = good[:-22] + good[-22:-10] + struct.pack("<I", 1 << 30) + good[-6:]
    path.write_bytes(directory)
    assert refused(path) == "a directory of 1073741824 octets; at most 1048576"


def test_an_encrypted_member_and_an_unknown_packing(tmp_path: Path) -> None:
    good = archive(tmp_path / "good.zip", {"a.xml": b"<a/>" * 100}).read_bytes()
    path = tmp_path / "bad.zip"
    central = good.index(b"PK\x01\x02")
    sealed = bytearray(good)
    sealed[6] |= 1  # APPNOTE.TXT 4.4.4: bit 0, encrypted; here and in the directory
    sealed[central + 8] |= 1
    path.write_bytes(sealed)
    assert "cannot be unpacked" in refused(path)
    packed = bytearray(good)
    packed[8:10] = packed[central + 10 : central + 12] = struct.pack("<H", 97)
    path.write_bytes(packed)
    assert "cannot be unpacked" in refused(path)


def test_too_many_members(tmp_path: Path) -> None:
    files = {f"{number}.xml": b"" for number in range(intake.MEMBERS_MAX + 1)}
    assert refused(archive(tmp_path / "m.zip", files)) == "257 files in it; at most 256"


def test_every_cut_and_flip_of_an_archive_is_a_fault_or_nothing(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.xml", b"<a/>" * 30)
    good, path = buffer.getvalue(), tmp_path / "bad.zip"
    for at in range(len(good)):
        for content in (good[:at], good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :]):
            path.write_bytes(content)
            try:
                read(path)
            except ConfigError:
                pass
