"""A new version comes to the board: into the folder that does not run, checked there, then tried.

    MANIFEST  -> board   offset 2, length of the whole 2, octets of it
    FILE      -> board   index in the manifest 1, offset 2, octets
    FINISH    -> board   nothing
    TAKEN     <- board   kind 1, index 1, octets that are there now 2
    REFUSES   <- board   why, in words

1. Before anything is written the manifest is checked: signed by the key in `release`, and newer
   than what is known to work.
2. Before the version may be tried every file is read back from the flash: its length, its SHA-256,
   and that there is none beside those of the manifest.
3. `slot` is replaced last. Until then what runs is what starts, whatever was written.
4. What is sent twice is taken once: the answer says how much is there.
5. All that takes long is done in slices.

The same steps serve a technician at the prompt (`begin`, files, `finish`) and a gateway on the link
(`take`, `turn`). Whoever can write may have the board run what the release key has signed and
nothing else; so nobody is asked who he is.
"""

import os
import struct

from firmware_bridge.firmware import boot
from firmware_bridge.release import MANIFEST_MAX_BYTES, Manifest, ManifestError
from firmware_bridge.shim import flash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import BinaryIO, Literal

MANIFEST, FILE, FINISH = 0x20, 0x21, 0x22
TAKEN, REFUSES = 0xA0, 0xA1

_MANIFEST = ">HH"
_FILE = ">BH"
TAKEN_BODY = ">BBH"
_PIECE_BYTES = 512
_DEEP_MAX = 8  # of folders in a folder: whatever lies deeper was not put there by an update


class UpdateError(ValueError):
    """What cannot be done with this board now: its argument says why."""


_FAULTS = (ManifestError, UpdateError, OSError, MemoryError)


class Update:
    """`folder`: of the flash. `trial`: what runs is what `slot` has on trial."""

    def __init__(self, folder: str, trial: bool = False) -> None:
        self._folder = folder
        found = boot.slot(folder) if trial else None
        self._trial = found[1] if found and found[1] != boot.NONE else ""
        self._manifest: Manifest | None = None
        self._into = ""
        self._parts = bytearray()
        self._written: list[int] = []
        self._file: BinaryIO | None = None  # what is being written, and its index
        self._index = 0
        self._work: Generator[None, None, None] | None = None
        self._answer: tuple[int, bytes] | None = None
        self._now = b""  # the answer to what is being worked at
        self.done = False  # a new version is to be tried: the board may start anew
        self.wrote = False  # to the flash, since whoever looks at it set it back

    @property
    def busy(self) -> bool:
        """Whether something is worked at."""
        return self._work is not None

    @property
    def trial(self) -> bool:
        """Whether what runs is not known to work yet."""
        return bool(self._trial)

    def reported(self) -> None:
        """A gateway was heard: what was on trial is known to work from now on."""
        if self._trial:
            self.wrote = True
            flash.replace(self._folder + "/slot", boot.written((self._trial, boot.NONE, 0)))
            self._trial = ""

    def begin(self, octets: bytes) -> "Generator[None, None, None]":
        """Checks a manifest and clears its place. Raises ManifestError, UpdateError, OSError."""
        if self._trial or self.done:
            raise UpdateError("a version is on trial: no gateway has been heard under it yet")
        self._manifest = None
        self.close()
        found = boot.slot(self._folder)
        if found is None:
            raise UpdateError("nothing runs here yet: flash it")
        manifest = Manifest(octets)
        runs = version(self._folder + "/" + found[0])
        if manifest.version <= runs:
            raise UpdateError("not newer than %d.%d.%d, which runs" % runs)  # noqa: UP031
        yield from manifest.checked(release(self._folder))
        if found[1] != boot.NONE:  # it could not be started; nor may it be, half of it
            flash.replace(self._folder + "/slot", boot.written((found[0], boot.NONE, 0)))
        self._into = self._folder + "/" + boot.other(found[0])
        for _ in _clear(self._into, 0):
            self.wrote = True
            yield
        _folder(self._into)
        for path, length, _ in manifest.files:
            parts = path.split("/")
            for deep in range(1, len(parts)):
                _folder(self._into + "/" + "/".join(parts[:deep]))
            if not length:
                open(self._into + "/" + path, "wb").close()  # nobody sends nothing
            self.wrote = True
            yield
        self._written = [0] * len(manifest.files)
        self._manifest = manifest

    def finish(self) -> "Generator[None, None, None]":
        """Checks what was written, and has it tried. Raises UpdateError, OSError."""
        manifest, self._manifest = self._manifest, None
        if manifest is None:
            raise UpdateError("no manifest was given")
        self.close()
        yield from whole(self._into, manifest)
        self.wrote = True
        flash.replace(self._into + "/manifest", manifest.octets)
        found = boot.slot(self._folder)
        name = self._into[-1]
        if found is None or found[0] == name:
            raise UpdateError("not the folder that does not run")
        tried = (found[0], name, boot.TRIAL_STARTS)
        flash.replace(self._folder + "/slot", boot.written(tried))
        self.done = True

    def take(self, kind: int, body: bytes) -> bool:
        """One packet of the link's; `turn` answers it. Whether it was one of these kinds."""
        if kind not in (MANIFEST, FILE, FINISH):
            return False
        if self._work is None:  # what comes while something is worked at comes again
            try:
                self._packet(kind, body)
            except _FAULTS as fault:
                self._refuse(fault)
        return True

    def turn(self) -> tuple[int, bytes] | None:
        """One slice of what is to be done; an answer, where there is one: its kind and body."""
        if self._work is not None:
            try:
                next(self._work)
            except StopIteration:
                self._work, self._answer = None, (TAKEN, self._now)
            except _FAULTS as fault:
                self._refuse(fault)
        answer, self._answer = self._answer, None
        return answer

    def _refuse(self, fault: Exception) -> None:
        why = str(fault)
        if isinstance(fault, OSError):
            why = "the flash is full, or broken"
        elif isinstance(fault, MemoryError):
            why = "not enough memory"
        self._work, self._answer = None, (REFUSES, why.encode())

    def _packet(self, kind: int, body: bytes) -> None:
        if kind == FINISH:
            self._now = struct.pack(TAKEN_BODY, FINISH, 0, 0)
            if self.done:
                self._answer = (TAKEN, self._now)
            else:
                self._work = self.finish()
            return
        form = _MANIFEST if kind == MANIFEST else _FILE
        size = struct.calcsize(form)
        if len(body) < size:
            raise UpdateError("a packet of another length")
        first, second = struct.unpack(form, body[:size])
        if kind == MANIFEST:
            self._manifest_part(first, second, body[size:])
        else:
            have = self._file_part(first, second, body[size:])
            self._answer = (TAKEN, struct.pack(TAKEN_BODY, FILE, first, have))

    def _manifest_part(self, offset: int, total: int, octets: bytes) -> None:
        if total > MANIFEST_MAX_BYTES:
            raise ManifestError("longer than a board holds")
        if not offset and len(octets) < total:
            self._parts, self._manifest = bytearray(), None
        had = len(self._parts)
        if offset == had and had + len(octets) <= total:
            self._parts += octets
        self._now = struct.pack(TAKEN_BODY, MANIFEST, 0, len(self._parts))
        if had < len(self._parts) == total:
            self._work = self.begin(bytes(self._parts))
        else:
            self._answer = (TAKEN, self._now)

    def _file_part(self, index: int, offset: int, octets: bytes) -> int:
        if self._manifest is None:
            raise UpdateError("no manifest was given")
        if index >= len(self._written):
            raise UpdateError("no such file in the manifest")
        path, length, _ = self._manifest.files[index]
        if offset == self._written[index]:
            if offset + len(octets) > length:
                raise UpdateError("more than the manifest says: " + path)
            self.wrote = True
            self._opened(index, path).write(octets)
            self._written[index] += len(octets)
            if self._written[index] == length:
                self.close()
        return self._written[index]

    def _opened(self, index: int, path: str) -> "BinaryIO":
        """Kept from piece to piece: to append after a close, littlefs copies a block each time."""
        if self._file is None or self._index != index:
            self.close()
            mode: Literal["ab", "wb"] = "ab" if self._written[index] else "wb"
            self._file = open(self._into + "/" + path, mode)  # noqa: SIM115  # until its end
            self._index = index
        return self._file

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def release(folder: str) -> bytes:
    """The key by which this board checks a manifest. Raises UpdateError."""
    from binascii import unhexlify

    try:
        return unhexlify((flash.read(folder + "/release") or b"").strip())
    except ValueError:
        raise UpdateError("the release key on this board is none: flash it anew") from None


def version(place: str) -> "tuple[int, int, int]":
    """Of what is in this folder, by its manifest. Raises UpdateError."""
    try:
        return Manifest(flash.read(place + "/manifest") or b"").version
    except ManifestError:
        raise UpdateError("what runs has no manifest: flash it anew") from None


def whole(place: str, manifest: Manifest) -> "Generator[None, None, None]":
    """Whether the folder holds the manifest's files and no others. Raises UpdateError, OSError."""
    from hashlib import sha256

    for path, length, digest in manifest.files:
        state, size = sha256(), 0
        try:
            with open(place + "/" + path, "rb") as file:
                while True:
                    piece = file.read(_PIECE_BYTES)
                    if not piece:
                        break
                    state.update(piece)
                    size += len(piece)
                    yield
        except OSError:
            raise UpdateError("missing: " + path) from None
        if size != length or state.digest() != digest:
            raise UpdateError("not as it was signed: " + path)
    known = [path for path, _, _ in manifest.files]
    known.append("manifest")
    for path in _files(place, "", 0):
        if path not in known:
            raise UpdateError("not in the manifest: " + path)


def _files(place: str, below: str, deep: int) -> list[str]:
    if deep > _DEEP_MAX:
        raise UpdateError("not in the manifest: " + below)
    found: list[str] = []
    for name in os.listdir(place + "/" + below if below else place):
        path = below + "/" + name if below else name
        if _is_folder(place + "/" + path):
            found.extend(_files(place, path, deep + 1))
        else:
            found.append(path)
    return found


def _clear(place: str, deep: int) -> "Generator[None, None, None]":
    """Removes what is in a folder, its manifest first, a name a slice."""
    if deep > _DEEP_MAX:
        raise UpdateError("folders too deep in each other: flash it anew")
    try:
        names = os.listdir(place)
    except OSError:
        return  # it was never there
    names.sort(key=lambda name: name != "manifest")
    for name in names:
        path = place + "/" + name
        if _is_folder(path):
            yield from _clear(path, deep + 1)
            os.rmdir(path)
        else:
            os.remove(path)
        yield


def _is_folder(path: str) -> bool:
    return os.stat(path)[0] & 0x4000 != 0


def _folder(path: str) -> None:
    try:
        os.mkdir(path)
    except OSError:
        if not _is_folder(path):
            raise
