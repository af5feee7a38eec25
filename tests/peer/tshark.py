"""tshark as a peer: what it makes of a capture, in one process, as trees.

1. tshark is GPL-2.0: a program beside ours, and nothing of it is here.
2. A field that comes twice is there twice, in its order: JSON objects are read as pairs.

It compares nothing.
"""

import json
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

RUN_S = 120.0  # 10,000 frames take five seconds
LINKTYPE_ETHERNET = 1


class Tree(list[tuple[str, Any]]):
    """One JSON object: its members in order, each with its name; a value is a text or a Tree."""

    def one(self, name: str, default: Any = None) -> Any:
        """The first of this name."""
        return next((value for key, value in self if key == name), default)

    def all(self, name: str) -> list[Any]:
        """All of this name, in order."""
        return [value for key, value in self if key == name]

    def below(self, name: str) -> Iterator[Any]:
        """All of this name, at any depth, in order."""
        for key, value in self:
            if key == name:
                yield value
            if isinstance(value, Tree):
                yield from value.below(name)


def dissected(tshark: Path, file: Path, protocols: str, options: Iterable[str] = ()) -> list[Tree]:
    """The layers of every packet that tshark gives for these protocols."""
    done = subprocess.run(
        [str(tshark), "-n", "-r", str(file), "-T", "json", "-J", protocols, *options],
        capture_output=True, timeout=RUN_S, check=True,
    )  # fmt: skip
    text = done.stdout.decode("utf-8", "replace")
    return [
        packet.one("_source").one("layers") for packet in json.loads(text, object_pairs_hook=Tree)
    ]


def write(file: Path, frames: Iterable[bytes]) -> None:
    """A pcap of Ethernet frames, a millisecond apart (draft-ietf-opsawg-pcap)."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, LINKTYPE_ETHERNET)]
    for at, frame in enumerate(frames):
        seconds, ms = divmod(at, 1000)
        parts.append(
            struct.pack("<IIII", 1_700_000_000 + seconds, ms * 1000, len(frame), len(frame))
        )
        parts.append(frame)
    file.write_bytes(b"".join(parts))


def texts(
    tshark: Path, file: Path, protocol: str, filtered: str, options: Iterable[str] = ()
) -> Iterator[list[tuple[str, str, str]]]:
    """For each packet's each layer of a protocol: (name, value, what it shows) of all its fields.

    What is shown of a phasor stands in no field's value. PDML, read as it comes.
    """
    argv = [str(tshark), "-n", "-r", str(file), "-T", "pdml", "-J", protocol, "-Y", filtered]
    done = subprocess.run([*argv, *options], capture_output=True, timeout=RUN_S, check=True)
    for packet in ElementTree.fromstring(done.stdout).iter("packet"):
        for layer in packet.findall("proto"):
            if layer.get("name") == protocol:
                yield [
                    (each.get("name", ""), each.get("show", ""), each.get("showname", ""))
                    for each in layer.iter("field")
                ]
