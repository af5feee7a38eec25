"""Real traffic through the session: every frame, and no fault."""

from pathlib import Path

import pytest

from drivers.c37118.session import Session, Terms
from drivers.c37118.splitter import Splitter
from drivers.c37118.wire import Layout
from drivers.line import Instant, Setup
from evidence.code import TimeSource
from evidence.leap import NS
from hil.capture import Tally, chunks
from tests.drivers.test_c37118_session import told


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("C37.118_1PMU_UDP.pcap", {"DATA": 356, "CFG2": 1, "COMMAND": 4}),
        ("C37.118_1PMU_TCP.pcap", {"DATA": 252, "CFG2": 1, "COMMAND": 3}),
        ("C37.118_2PMUsInSync_TCP.pcap", {"DATA": 3002, "CFG2": 2, "COMMAND": 6}),
        ("c37_1100_clean_tcp.pcap", {"DATA": 422, "CFG2": 1, "HEADER": 1, "COMMAND": 3}),
    ],
)
def test_captures(captures: Path, name: str, counts: dict[str, int]):
    """Every frame of real PMUs, both directions, is read without a fault and decodes."""
    tally = Tally()
    sessions_of: dict[int, Session] = {}
    splitters: dict[tuple[int, int], Splitter] = {}
    found: dict[str, int] = {}
    for chunk in chunks((captures / "c37118" / name).read_bytes(), tally):
        if chunk.kind == "udp" and chunk.payload[:1] != b"\xaa":
            continue  # other traffic of the same network
        session = sessions_of.setdefault(chunk.flow.number, Session(Terms()))
        splitter = splitters.setdefault((chunk.flow.number, chunk.direction), Splitter())
        heard = Instant(chunk.ts_ns + 37 * NS, None)
        layout: Layout | None = None
        for item in session.accept(splitter.feed(chunk.payload), heard):
            if isinstance(item, Setup):
                continue
            assert item.fault is None, item
            kind = told([item])[0]
            found[kind] = found.get(kind, 0) + 1
            own = session._streams[int(item.key.split("=")[1])].ruling
            layout = own.layout if own is not None else None
            if kind == "DATA" and layout is not None:
                values = layout.decode(item.raw)
                freq = [v for v, s in zip(values, layout.slots, strict=True) if s.name == "FREQ"]
                assert all(40 < hertz < 70 for hertz in freq)
                assert item.source == TimeSource.DEVICE
    assert found == counts
    assert all(not splitter.flush() for splitter in splitters.values())
