"""Seeds from files: vectors, captures, files of settings.

1. A folder is read to its bottom, in the order of its names, so that the same files are the same
   seeds. What is no capture is passed over.
2. A vector (`*.hex`) is a seed of the target after whose name its folder is called.

It decides of no target what is its: the target's `takes` does.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from hil import capture, pcap
from hil.fuzz.target import Piece, Target

SEEDS_MAX = 400  # of a target: each is changed often enough
_CAPTURES = (".pcap", ".pcapng", ".cap")
_VECTOR = ".hex"


def seeds(name: str, target: Target, pieces: Iterable[Piece]) -> list[bytes]:
    """What a target is fed with: its own seeds first, each once."""
    found = dict.fromkeys(target.seeds)
    for piece in pieces:
        if len(found) >= SEEDS_MAX:
            break
        vector = piece.kind == "file" and piece.label.endswith(_VECTOR)
        if piece.data and (piece.label.startswith(f"{name}/") if vector else target.takes(piece)):
            found[piece.data[: target.bytes_max]] = None
    return list(found)


def read(paths: Iterable[Path]) -> Iterator[Piece]:
    """Everything below these paths. Raises OSError."""
    for path in paths:
        if not path.is_dir():
            yield from _pieces(path)
            continue
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield from _pieces(file)


def _pieces(file: Path) -> Iterator[Piece]:
    label = f"{file.parent.name}/{file.name}"
    data = file.read_bytes()
    if file.suffix == _VECTOR:
        lines = data.decode("utf-8", "replace").splitlines()
        text = "".join(line for line in lines if not line.startswith("#"))
        try:
            yield Piece("file", label, bytes.fromhex(text))
        except ValueError:
            return  # named as a vector, and none
    elif file.suffix in _CAPTURES:
        yield from _recorded(data)
    else:
        yield Piece("file", label, data)


def _recorded(data: bytes) -> Iterator[Piece]:
    """The frames of a capture, and the payloads that TCP and UDP carried."""
    try:
        for packet in pcap.packets(data, pcap.Tally()):
            yield Piece("frame", str(packet.link), packet.data)
        for chunk in capture.chunks(data, pcap.Tally()):
            yield Piece(chunk.kind, f"{chunk.flow.client} {chunk.flow.server}", chunk.payload)
    except pcap.CaptureError:
        return
