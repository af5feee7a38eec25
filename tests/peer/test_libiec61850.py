"""GOOSE and Sampled Values against libiec61850, over a cable: what it publishes we hear, what our
bench publishes it hears; all types of data, both simulation bits, with a VLAN tag and without.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from drivers import registry
from drivers.decode import compiled
from drivers.goose.data import BinaryTime, UtcTime
from drivers.goose.wire import decode_frame
from drivers.line import Frame, Instant, Setup, Source
from drivers.sv.session import OPEN_NS_MAX
from drivers.sv.wire import decode_block
from evidence import event
from evidence.code import Class, Event, Kind, Reason
from evidence.leap import BUILT_IN, NS
from hil.devices import goose as bench
from hil.devices.ether import Addressing
from hil.namespace import Namespace
from tests.peer.conftest import WAIT_S, Peer

REFERENCE = "IED1LD0/LLN0$GO$gcb1"
CONTROL = {
    "do": "goose", "interface": "eth1", "gocbref": REFERENCE, "datset": "IED1LD0/LLN0$ds1",
    "goid": "gcb1", "appid": 0x1001, "dst": "010ccd010001", "vlan": None, "confrev": 3,
    "ttl_ms": 2_000, "simulation": False, "ndscom": False,
}  # fmt: skip
STREAM = {
    "do": "sv", "interface": "eth1", "svid": "MU01", "datset": None, "appid": 0x4001,
    "dst": "010ccd040001", "vlan": None, "confrev": 1, "smpsynch": 2, "channels": 8,
}  # fmt: skip
AT_MS = 1_700_000_000_123  # of a day: 80,000,123 ms
DAYS = AT_MS // 86_400_000 - 5_113  # since 1984
# What is published, and what we decode of it. 2,063,597 of 2^-24 s are 123 ms, cut off.
ENTRIES: list[tuple[tuple[str, Any], Any]] = [
    (("boolean", True), True),
    (("integer", -5), -5),
    (("integer", -(1 << 63)), -(1 << 63)),
    (("integer", (1 << 63) - 1), (1 << 63) - 1),
    (("unsigned", 4_294_967_295), 4_294_967_295),
    (("float32", 1.5), 1.5),
    (("float64", 0.1), 0.1),
    (("bit-string", "0100000000001"), "0100000000001"),
    (("bit-string", "10"), "10"),
    (("octet-string", "00ff10"), b"\x00\xff\x10"),
    (("visible-string", "closed"), "closed"),
    (("mms-string", "Trafo Süd"), "Trafo Süd"),
    (("utc-time", [AT_MS, 0x18]), UtcTime(AT_MS // 1000, 2_063_597, 0x18)),
    (("binary-time", [AT_MS, 6]), BinaryTime(80_000_123, DAYS)),
    (("binary-time", [AT_MS, 4]), BinaryTime(80_000_123, None)),
    (("structure", [["boolean", False], ["structure", [["integer", 7]]]]), (False, (7,))),
    (("array", [["integer", 1], ["integer", 2]]), (1, 2)),
]
Item = Frame | Setup


class Clock:
    """The machine's own, vouching for a microsecond."""

    table = BUILT_IN

    def now(self) -> Instant:
        return self.at(time.time_ns())

    def at(self, realtime_ns: int) -> Instant:
        seconds, ns = divmod(realtime_ns, NS)
        return Instant(BUILT_IN.tai_ns(seconds, ns), 1000)


def heard(
    net: Namespace,
    act: Callable[[], None],
    scheme: str,
    count: int,
    of: Callable[[Frame], int] = lambda _: 1,
    **options: Any,
) -> list[Item]:
    """What our driver hears at eth0, Setups first, until so many samples are among it. `of`: how
    many one counts for."""

    async def hear() -> list[Item]:
        source = Source("bay", scheme, {"interface": "eth0", **options}, "")
        driver = registry.open_driver(source, Clock())
        items: list[Item] = []
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(WAIT_S):
                with net.inside():
                    opening = asyncio.create_task(driver.open())
                    await asyncio.sleep(0.1)  # the socket is there: SV waits for frames to open
                    acting = loop.run_in_executor(None, act)
                    items += await opening
                while sum(map(of, samples(items))) < count:
                    items += await driver.read()
                await acting
        finally:
            await driver.close()
        return items

    return asyncio.run(hear())


def samples(items: list[Item]) -> list[Frame]:
    kinds = (Kind.GOOSE, Kind.SV)
    return [
        each
        for each in items
        if isinstance(each, Frame) and each.fault is None and each.kind in kinds
    ]


def within(blocks: list[Frame], count: int, of: Callable[[Frame], int]) -> Iterator[Frame]:
    """The first ones, until they have so many."""
    for block in blocks:
        if count <= 0:
            return
        count -= of(block)
        yield block


def events(items: list[Item]) -> list[Event]:
    return [
        event.read(each.raw).event
        for each in items
        if isinstance(each, Frame) and each.kind == Kind.EVENT and each.fault is None
    ]


def values(items: list[Item], frame: Frame) -> tuple[Any, ...]:
    """What a sample says, under the Setup that rules it."""
    setups = [each for each in items if isinstance(each, Setup) and each.key == frame.key]
    before = [each for each in setups if items.index(each) < items.index(frame)]
    return compiled(frame.kind, before[-1].configuration).decode(frame.raw)


def flat(value: Any) -> list[Any]:
    """Structures and arrays taken apart, as a layout has them; a time is one value."""
    if type(value) is not tuple:
        return [value]
    return [inner for each in value for inner in flat(each)]


# --- it publishes, we hear


def test_every_type_of_data(net: Namespace, peer: Callable[..., Peer]):
    publisher = peer("publisher")

    def act() -> None:
        publisher.tell(**CONTROL)
        publisher.tell(do="publish", change=False, values=[told for told, _ in ENTRIES])

    items = heard(net, act, "goose", 1)
    (frame,) = samples(items)
    message = decode_frame(frame.raw)
    assert message.values == tuple(meant for _, meant in ENTRIES)
    assert list(values(items, frame)) == flat(message.values)
    assert (message.pdu.gocbRef, message.pdu.goID, message.pdu.confRev) == (REFERENCE, "gcb1", 3)
    assert (message.pdu.datSet, message.pdu.timeAllowedtoLive) == ("IED1LD0/LLN0$ds1", 2_000)
    assert events(items) == [Event.STATE_FOUND]


@pytest.mark.parametrize("vlan", [None, [10, 5]])
@pytest.mark.parametrize("simulation", [False, True])
def test_simulation_and_vlan(
    net: Namespace, peer: Callable[..., Peer], vlan: list[int] | None, simulation: bool
):
    """libiec61850 sets the bit of the message alone; with a test set's there is one in the head."""
    publisher = peer("publisher")

    def act() -> None:
        publisher.tell(**CONTROL | {"vlan": vlan, "simulation": simulation, "ndscom": True})
        publisher.tell(do="publish", change=False, values=[["boolean", True]])

    items = heard(net, act, "goose", 1)
    (frame,) = samples(items)
    message = decode_frame(frame.raw)
    tags = message.carried.ethernet.tags if message.carried.ethernet else ()
    assert [[tag.vlan, tag.priority] for tag in tags] == ([] if vlan is None else [vlan])
    assert message.pdu.simulation is simulation
    assert not message.carried.simulated
    (setup,) = [each for each in items if isinstance(each, Setup) and each.configuration]
    verdicts = compiled(Kind.GOOSE, setup.configuration).judge((frame.raw,))
    assert (Class.DATA_INVALID, Reason.NEEDS_COMMISSIONING) in verdicts
    assert ((Class.SIMULATED, Reason.SIMULATION) in verdicts) is simulation


def test_a_simulation_bit_in_the_head_is_a_stream_of_its_own(
    net: Namespace, peer: Callable[..., Peer]
):
    """The same message, and once more with Reserved1's bit set: IEC 61850-8-1 Annex C."""
    publisher = peer("publisher")

    def plain() -> None:
        publisher.tell(**CONTROL)
        publisher.tell(do="publish", change=False, values=[["boolean", True]])

    (first,) = samples(heard(net, plain, "goose", 1))
    at = first.raw.index(b"\x88\xb8") + 6
    marked = first.raw[:at] + b"\x80\x00" + first.raw[at + 2 :]
    with net.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as far:
        far.bind(("eth1", 0))

        def act() -> None:
            far.send(first.raw)
            far.send(marked)

        both = samples(heard(net, act, "goose", 2))
    assert [decode_frame(each.raw).carried.simulated for each in both] == [False, True]
    assert len({each.key for each in both}) == 2


def test_the_sequence_of_states(net: Namespace, peer: Callable[..., Peer]):
    """Three states with retransmissions: three samples, nothing lost, nothing suspected."""
    publisher = peer("publisher")

    def act() -> None:
        publisher.tell(**CONTROL)
        for state in (True, False, True):
            for repeat in range(4):
                publisher.tell(do="publish", change=repeat == 0, values=[["boolean", state]])

    items = heard(net, act, "goose", 3)
    assert [values(items, frame) for frame in samples(items)] == [(True,), (False,), (True,)]
    assert [decode_frame(frame.raw).pdu.stNum for frame in samples(items)] == [2, 3, 4]
    assert events(items) == [Event.STATE_FOUND]
    assert all(not isinstance(each, Frame) or each.fault is None for each in items)


@pytest.mark.parametrize(
    ("rate", "asdus", "vlan"), [(4_000, 1, None), (4_800, 2, None), (4_800, 1, [7, 4])]
)
def test_sampled_values(
    net: Namespace, peer: Callable[..., Peer], rate: int, asdus: int, vlan: list[int] | None
):
    """A second of it: every sample in its block, its values to the last count."""
    publisher = peer("publisher")
    frames = rate // asdus

    def act() -> None:
        publisher.tell(**STREAM | {"asdus": asdus, "wrap": rate, "vlan": vlan})
        publisher.tell(do="sample", frames=frames + 1, rate=frames)

    def frames_of(block: Frame) -> int:
        return len(decode_block(block.raw))

    items = heard(net, act, "sv", frames, frames_of, rate=rate)
    blocks = list(within(samples(items), frames, frames_of))
    found = [values(items, frame) for frame in blocks]
    counts = [count for block in found for count in block[0]]
    assert counts == list(range(rate))
    # Of 25 ms each; a publisher that pauses for longer than a block is waited for cuts it short.
    for block, after, said in zip(blocks, blocks[1:], found, strict=False):
        whole = (said[0][-1] + 1) % (rate // 40) == 0
        assert whole or after.heard.tai - block.heard.tai > OPEN_NS_MAX
    assert {synch for block in found for synch in block[1]} == {2}
    for channel in range(8):
        scale = 0.001 if channel < 4 else 0.01  # 9-2LE: mA and 10 mV
        counted = [value for block in found for value in block[2 + 2 * channel]]
        quality = [value for block in found for value in block[3 + 2 * channel]]
        assert counted == pytest.approx(
            [(channel * 100_000 - count) * scale for count in counts], abs=1e-9
        )
        assert set(quality) == {channel}
    assert sum(map(frames_of, blocks)) == frames


# --- our bench publishes, it hears


@pytest.fixture
def outlet(net: Namespace) -> Iterator[socket.socket]:
    with net.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened:
        opened.bind(("eth0", 0))
        yield opened


# Its subscriber knows no mMSString, generalized-time, bcd and booleanArray: no values then.
PUBLISHED: list[tuple[bytes, list[Any]]] = [
    (bench.boolean(True), ["boolean", True]),
    (bench.bit_string("0110000000001"), ["bit-string", "0110000000001"]),
    (bench.integer(-32_769), ["integer", -32_769]),
    (bench.integer(-128), ["integer", -128]),
    (bench.unsigned(4_000_000_000), ["unsigned", 4_000_000_000]),
    (bench.float32(49.75), ["float", 49.75]),
    (bench.float64(-1.1), ["float", -1.1]),
    (bench.octet_string(b"\x00\xff"), ["octet-string", "00ff"]),
    (bench.visible_string("CB open"), ["visible-string", "CB open"]),
    (
        bench.binary_time(43_200_000, DAYS),
        ["binary-time", AT_MS // 86_400_000 * 86_400_000 + 43_200_000],
    ),
    (
        bench.utc_time(BUILT_IN.tai_ns(1_700_000_000, 500_000_000)),
        ["utc-time", [1_700_000_000_500, 0x0A]],
    ),
    (
        bench.structure(bench.boolean(True), bench.structure(bench.integer(7))),
        ["structure", [["boolean", True], ["structure", [["integer", 7]]]]],
    ),
    (
        bench.array(bench.integer(1), bench.integer(2)),
        ["array", [["integer", 1], ["integer", 2]]],
    ),
]


@pytest.mark.parametrize("vlan", [None, 10])
@pytest.mark.parametrize("simulation", [False, True])
def test_it_hears_what_the_bench_publishes(
    outlet: socket.socket, peer: Callable[..., Peer], vlan: int | None, simulation: bool
):
    to = Addressing(bench.ETHERTYPE, 0x1001, vlan=vlan)
    subscriber = peer("subscriber", "eth1", str(to.appid), REFERENCE)
    assert subscriber.said() == {"ready": True}
    # It does not look at the bit in the head, whose meaning is the bridges'.
    profile = bench.GooseProfile(
        simulation=simulation, simulated=simulation, nds_com=True, conf_rev=7, to=to
    )
    publisher = bench.GoosePublisher(profile, [encoded for encoded, _ in PUBLISHED])
    before = (0, 0)
    for st_num, sq_num in ((1, 1), (1, 2), (2, 0), (2, 1)):
        if sq_num == 0:
            publisher.change(publisher.entries)
        # As long a time to live as a steady state has: a message of 4 ms may have ended when asked.
        for raw in publisher.frames(st_num=st_num, sq_num=sq_num):
            outlet.send(raw)
        said = subscriber.said()
        while (said["stnum"], said["sqnum"]) == before:  # it tells of an untagged frame twice
            said = subscriber.said()
        before = (st_num, sq_num)
        assert (said["valid"], said["parse_error"]) == (True, 0)
        assert (said["stnum"], said["sqnum"]) == (st_num, sq_num)
        assert said["values"] == [meant for _, meant in PUBLISHED]
        assert said["t_ms"] == pytest.approx(BUILT_IN.utc_ns(publisher.t_ns) / 1e6, abs=1)
        assert (said["gocbref"], said["goid"]) == (REFERENCE, profile.go_id)
        assert (said["datset"], said["confrev"]) == (profile.dat_set, 7)
        assert (said["simulation"], said["ndscom"]) == (simulation, True)
