"""What a version of the firmware consists of, signed: the text that both ends read.

    gridseal board manifest 1
    version 0.2.0
    file 3111 9f86d081...0a08 firmware_bridge/frame.py
    signed 92a009a9...300c

1. The signature is Ed25519's (RFC 8032) over `SIGNED` and the SHA-256 of every octet before its
   line: nothing is left out, and nothing is put together anew to be checked. (Of the octets
   themselves there are more than a board hashes by SHA-512 in a second.)
2. There is one way to write it: what is read is written again, and must come out the same.
3. A path lies in firmware_bridge/ and is made of small letters, digits and `_`: it cannot lead out
   of the folder that it is written to.
4. A version is three numbers; one is newer than another as their tuples compare.

It checks no file, and says nothing of whose key it is.
"""

from binascii import hexlify, unhexlify

from firmware_bridge.ed25519 import SIGNATURE_BYTES, verified
from firmware_bridge.shim.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    Version = tuple[int, int, int]
    File = tuple[str, int, bytes]  # path, length, SHA-256

FIRST = "gridseal board manifest 1\n"
SIGNED = b"gridseal board manifest 1\x00"  # no other thing that is signed begins so
MANIFEST_MAX_BYTES = 8192  # it is held in the board's memory, whole
FILES_MAX = 60
FILE_MAX_BYTES = 0xFFFF  # a module is compiled in the board's memory: far less, in truth
PATH_MAX = 64
NUMBER_MAX = 255  # of a version: an octet in the link's WELCOME
TOP = "firmware_bridge"
ENDINGS = ("py", "mpy")

_SIGNED = "signed "
_SIGNED_BYTES = len(_SIGNED) + 2 * SIGNATURE_BYTES + 1
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"


class ManifestError(ValueError):
    """A manifest that is not to be used: its argument says why."""


class Manifest:
    """One manifest, read, and not yet checked against a key."""

    __slots__ = ("version", "files", "octets", "message", "signature")

    def __init__(self, octets: bytes) -> None:
        """Raises ManifestError."""
        if len(octets) > MANIFEST_MAX_BYTES:
            raise ManifestError("longer than a board holds")
        self.octets = octets
        before = octets[:-_SIGNED_BYTES]
        last = octets[-_SIGNED_BYTES:]
        if not octets.startswith(FIRST.encode()):
            raise ManifestError("not a manifest")
        if last[: len(_SIGNED)] != _SIGNED.encode() or not before.endswith(b"\n"):
            raise ManifestError("not signed")
        self.signature = _hex(last[len(_SIGNED) : -1])
        self.version, self.files = _lines(before)
        self.message = message(before)
        if signed(text(self.version, self.files), self.signature) != octets:
            raise ManifestError("not written in the one way there is")

    def checked(self, public: bytes) -> "Generator[None, None, None]":
        """Whether the holder of this key signed it, in slices. Raises ManifestError."""
        good = yield from verified(public, self.message, self.signature)
        if not good:
            raise ManifestError("not signed by the release key")


def text(version: "Version", files: "list[File]") -> bytes:
    """All but the signature. Raises ManifestError: a path or a number that cannot be."""
    lines = [FIRST, "version %d.%d.%d\n" % version]  # noqa: UP031
    last = ""
    for path, length, digest in files:
        _path(path)
        if path <= last:
            raise ManifestError("files not in their order: " + path)
        if not 0 <= length <= FILE_MAX_BYTES:
            raise ManifestError("a file that is too long: " + path)
        last = path
        lines.append("file %d %s %s\n" % (length, hexlify(digest).decode(), path))  # noqa: UP031
    if not 0 < len(files) <= FILES_MAX:
        raise ManifestError("no file, or more than %d" % FILES_MAX)  # noqa: UP031
    for number in version:
        if not 0 <= number <= NUMBER_MAX:
            raise ManifestError("a version is three numbers from 0 to %d" % NUMBER_MAX)  # noqa: UP031
    return "".join(lines).encode()


def message(before: bytes) -> bytes:
    """What is signed for this text."""
    return SIGNED + sha256(before)


def signed(before: bytes, signature: bytes) -> bytes:
    """The whole manifest, of its text and the signature."""
    return before + _SIGNED.encode() + hexlify(signature) + b"\n"


def numbers(told: str) -> "Version":
    """A version, from its text. Raises ManifestError."""
    parts = told.split(".")
    if len(parts) != 3:
        raise ManifestError("a version is three numbers, such as 0.2.0")
    for part in parts:
        if not _digits(part, 3):
            raise ManifestError("a version is three numbers, such as 0.2.0")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _lines(before: bytes) -> "tuple[Version, list[File]]":
    for octet in before:
        if octet > 0x7E:
            raise ManifestError("not plain text")
    lines = before.decode().split("\n")[1:-1]
    if not lines or not lines[0].startswith("version "):
        raise ManifestError("no version")
    files = []
    for line in lines[1:]:
        parts = line.split(" ")
        if len(parts) != 4 or parts[0] != "file" or len(parts[2]) != 64:
            raise ManifestError("a line that is none")
        if not _digits(parts[1], 5):
            raise ManifestError("a length that is none")
        files.append((parts[3], int(parts[1]), _hex(parts[2].encode())))
    return numbers(lines[0][len("version ") :]), files


def _path(path: str) -> None:
    """Raises ManifestError."""
    name, dot, ending = path.partition(".")
    parts = name.split("/")
    good = len(path) <= PATH_MAX and dot and ending in ENDINGS
    if not good or parts[0] != TOP or len(parts) < 2:
        raise ManifestError("a path that cannot be")
    for part in parts:
        if not part:
            raise ManifestError("a path that cannot be")
        for letter in part:
            if letter not in _LETTERS:
                raise ManifestError("a path that cannot be")


def _hex(digits: bytes) -> bytes:
    try:
        return unhexlify(digits)
    except ValueError:
        raise ManifestError("digits that are none") from None


def _digits(told: str, most: int) -> bool:
    for letter in told:
        if letter not in "0123456789":
            return False
    return 0 < len(told) <= most
