"""All files or none, whenever the power goes or the disk fails."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning.placement import NEW, READY, NewFile, PlacementError, SystemDisk, place
from tests.provisioning.power import CutDisk, PowerCutError

FILES = [
    NewFile("a.key", b"first", 0o600),
    NewFile("b.toml", b"second", 0o644),
    NewFile("z.toml", b"", 0o644),
]
LOSSES = ["nothing", "everything", "oldest"]
OTHERS = [NewFile(file.name, b"other " + file.content, file.mode) for file in FILES]


def nothing_to_check(folder: Path) -> None:
    pass


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def whole(files: list[NewFile]) -> dict[str, bytes]:
    return {file.name: file.content for file in files}


def cut_at_every_step(
    tmp_path: Path, loss: str, exists: bool, run: Callable[[Path, CutDisk], None]
) -> list[Path]:
    """The folders that cuts at step 1, 2, ... leave, until the work is done before the cut."""
    left: list[Path] = []
    for cut in range(1, 200):
        home = tmp_path / str(cut)
        folder, attic = home / "site", home / "attic"
        (folder if exists else home).mkdir(parents=True)
        attic.mkdir()
        left.append(folder)
        try:
            run(folder, CutDisk(cut, loss, attic))
        except PowerCutError:
            continue
        return left
    raise AssertionError("never done")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("exists", [False, True])
def test_a_power_cut_leaves_old_or_new(tmp_path, loss, exists):
    def run(folder: Path, disk: CutDisk) -> None:
        place(folder, FILES, nothing_to_check, disk)
        disk.forget()
        assert content(folder) == whole(FILES)

    left = cut_at_every_step(tmp_path, loss, exists, run)
    assert len(left) > len(FILES) + 3
    outcomes = set()
    for folder in left:
        if "z.toml" in names(folder):  # the last to come: whoever starts by it has all
            assert content(folder) == whole(FILES)
        try:
            place(folder, OTHERS, nothing_to_check, SystemDisk())
            assert content(folder) == whole(OTHERS)
            outcomes.add("old")
        except PlacementError:
            assert content(folder) == whole(FILES)
            outcomes.add("new")
        assert names(folder) == names(left[-1])
        assert names(folder.parent) == {"site", "attic"}
    assert outcomes == {"old", "new"}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_power_cut_while_the_first_is_mended_leaves_old_or_new(tmp_path, loss):
    """Cut at each step, then cut again at each step of mending."""
    attic = tmp_path / "attic"
    attic.mkdir()
    counter = CutDisk(0, "nothing", attic)
    (tmp_path / "count").mkdir()
    place(tmp_path / "count", FILES, nothing_to_check, counter)
    for first in range(1, counter.steps + 1):

        def run(folder: Path, disk: CutDisk, first: int = first) -> None:
            if not (folder / "begun").exists():
                (folder / "begun").touch()
                before = folder.parent / "before"
                before.mkdir()
                with pytest.raises(PowerCutError):
                    place(folder, FILES, nothing_to_check, CutDisk(first, loss, before))
            try:
                place(folder, OTHERS, nothing_to_check, disk)
            except PlacementError:
                assert "z.toml" in names(folder)

        for folder in cut_at_every_step(tmp_path / f"at{first}", loss, True, run):
            if "z.toml" in names(folder):
                assert set(whole(FILES)) <= names(folder)
            try:
                place(folder, FILES, nothing_to_check, SystemDisk())
            except PlacementError:
                pass
            (folder / "begun").unlink()
            assert content(folder) in (whole(FILES), whole(OTHERS))
            assert names(folder) == set(whole(FILES))


class FullDisk(SystemDisk):
    """Fails once, at the chosen step, as a full or dying disk does."""

    def __init__(self, fail: int) -> None:
        self.left = fail

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def make_folder(self, path: Path) -> None:
        self._step()
        super().make_folder(path)

    def write_new(self, path: Path, content: bytes, mode: int) -> None:
        self._step()
        super().write_new(path, content, mode)

    def link(self, source: Path, target: Path) -> None:
        self._step()
        super().link(source, target)

    def rename_folder(self, source: Path, target: Path) -> None:
        self._step()
        super().rename_folder(source, target)

    def sync_folder(self, path: Path) -> None:
        self._step()
        super().sync_folder(path)


@pytest.mark.parametrize("exists", [False, True])
def test_a_disk_that_fails_leaves_nothing_behind(tmp_path, exists):
    for step in range(1, 50):
        folder = tmp_path / str(step) / "site"
        (folder if exists else folder.parent).mkdir(parents=True)
        disk = FullDisk(step)
        try:
            place(folder, FILES, nothing_to_check, disk)
        except PlacementError as fault:
            assert "No space left" in str(fault)
            if disk.left == 0 and content_of(folder) == whole(FILES):
                continue  # all was placed and durable; only the tidying up is left for the next
            assert names(folder) == set()
            assert names(folder.parent) == ({"site"} if exists else set())
        else:
            assert disk.left > 0
            return
    raise AssertionError("never done")


def content_of(folder: Path) -> dict[str, bytes]:
    return content(folder) if folder.exists() else {}


@pytest.mark.parametrize("exists", [False, True])
def test_what_its_reader_refuses_is_not_placed(tmp_path, exists):
    def refuse(folder: Path) -> None:
        assert content(folder) == whole(FILES)
        raise ValueError("no good")

    folder = tmp_path / "site"
    if exists:
        folder.mkdir()
    with pytest.raises(ValueError, match="no good"):
        place(folder, FILES, refuse, SystemDisk())
    assert names(folder) == set()
    assert names(tmp_path) == ({"site"} if exists else set())


@pytest.mark.parametrize("there", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(tmp_path, there):
    path = tmp_path / "b.toml"
    if there == "file":
        path.write_text("mine")
    elif there == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(PlacementError, match=r"has b\.toml already"):
        place(tmp_path, FILES, nothing_to_check, SystemDisk())
    assert names(tmp_path) == {"b.toml"}


def test_a_name_that_appears_at_the_last_moment_is_not_overwritten(tmp_path):
    def appear(folder: Path) -> None:
        (tmp_path / "b.toml").write_text("mine")

    with pytest.raises(PlacementError, match="File exists"):
        place(tmp_path, FILES, appear, SystemDisk())
    assert content(tmp_path) == {"b.toml": b"mine"}
    assert names(tmp_path) == {"b.toml"}


def test_other_files_of_the_folder_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    place(tmp_path, FILES, nothing_to_check, SystemDisk())
    assert content(tmp_path) == whole(FILES) | {"notes.txt": b"mine"}
    assert not {NEW, READY} & names(tmp_path)


def test_a_file_in_the_way_of_an_interrupted_placement_is_named(tmp_path):
    (tmp_path / READY).mkdir()
    (tmp_path / READY / "a.key").write_text("theirs")
    (tmp_path / "a.key").write_text("mine")
    with pytest.raises(PlacementError, match="move one of them away"):
        place(tmp_path, FILES, nothing_to_check, SystemDisk())
    assert (tmp_path / "a.key").read_text() == "mine"


def test_a_file_system_without_links_is_named_with_the_mend(tmp_path):
    class NoLinks(SystemDisk):
        def link(self, source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

    with pytest.raises(PlacementError, match="name a folder that does not exist yet"):
        place(tmp_path, FILES, nothing_to_check, NoLinks())
    assert names(tmp_path) == set()


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlacementError, match="mkdir -p"):
        place(tmp_path / "no" / "site", FILES, nothing_to_check, SystemDisk())
    with pytest.raises(PlacementError, match="name a folder"):
        place(tmp_path / "file", FILES, nothing_to_check, SystemDisk())


def test_a_new_file_does_not_print_its_content():
    assert "first" not in repr(FILES[0])
