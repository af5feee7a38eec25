"""A disk whose power is cut at a chosen step, and which then forgets what was never synced.

1. A step is one change. At the cut a file being written is left half written.
2. A disk may forget any name made, moved or removed since the last sync of its folder. Here it
   forgets nothing, everything, or the oldest alone (which finds what relied on an order that no
   file system promises).
3. After the cut nothing more happens.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from provisioning.placement import SystemDisk


class PowerCutError(Exception):
    """The power went. No OSError: whoever handles those has no power either."""


class _Change(NamedTuple):
    """A name that a disk may still forget, and what then becomes of it."""

    folder: Path
    name: str
    undo: Callable[[Path], object]

    def forget(self) -> None:
        self.undo(self.folder / self.name)


class CutDisk(SystemDisk):
    """`cut`: at which step, from 1; 0: never. `attic`: an empty folder for what is removed."""

    def __init__(self, cut: int, loss: str, attic: Path) -> None:
        self.cut, self.loss, self.attic = cut, loss, attic
        self.steps = 0
        self._unsynced: list[_Change] = []

    def make_folder(self, path: Path) -> None:
        self._step()
        super().make_folder(path)
        self._changed(path, Path.rmdir)

    def write_new(self, path: Path, content: bytes, mode: int) -> None:
        def half() -> None:
            path.write_bytes(content[: len(content) // 2])
            self._changed(path, Path.unlink)

        self._step(half)
        super().write_new(path, content, mode)
        self._changed(path, Path.unlink)

    def link(self, source: Path, target: Path) -> None:
        self._step()
        super().link(source, target)
        self._changed(target, Path.unlink)

    def rename_folder(self, source: Path, target: Path) -> None:
        self._step()
        super().rename_folder(source, target)
        self._unsynced = [
            change._replace(folder=target) if change.folder == source else change
            for change in self._unsynced
            if change[:2] != (source.parent, source.name)
        ]
        self._changed(target, lambda path: path.rename(source))

    def rename_file(self, source: Path, target: Path) -> None:
        self._step()
        kept = self.attic / str(self.steps)
        if target.exists():
            os.link(target, kept)
        super().rename_file(source, target)

        def undo(path: Path) -> None:
            path.rename(source)
            if kept.exists():
                os.link(kept, path)

        self._unsynced = [
            change for change in self._unsynced if change[:2] != (source.parent, source.name)
        ]
        self._changed(target, undo)

    def remove(self, path: Path) -> None:
        self._step()
        kept = self.attic / str(self.steps)
        os.link(path, kept)
        super().remove(path)
        self._changed(path, lambda path: os.link(kept, path))

    def remove_folder(self, path: Path) -> None:
        self._step()
        super().remove_folder(path)
        self._changed(path, lambda path: path.mkdir(0o700))

    def sync_folder(self, path: Path) -> None:
        self._step()
        super().sync_folder(path)
        self._unsynced = [
            change
            for change in self._unsynced
            # What lay in a folder that is durably gone is gone with it.
            if change.folder != path and (change.folder.parent != path or change.folder.exists())
        ]

    def forget(self) -> None:
        """What the disk no longer knows when the power is back."""
        if self.loss == "everything":
            for change in reversed(self._unsynced):
                change.forget()
        elif self.loss == "oldest" and self._unsynced:
            try:
                self._unsynced[0].forget()
            except OSError:
                pass  # something durable stands in it: this name cannot have been lost alone

    def _changed(self, path: Path, undo: Callable[[Path], object]) -> None:
        """The last change of a name replaces those before it: nobody can lose one and keep it."""
        self._unsynced = [
            change for change in self._unsynced if change[:2] != (path.parent, path.name)
        ]
        self._unsynced.append(_Change(path.parent, path.name, undo))

    def _step(self, half: Callable[[], object] = lambda: None) -> None:
        if self.cut and self.steps >= self.cut:
            raise PowerCutError
        self.steps += 1
        if self.steps == self.cut:
            half()
            self.forget()
            raise PowerCutError
