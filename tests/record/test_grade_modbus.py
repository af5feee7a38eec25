"""How exchanges of Modbus are classed by the record: by what came of them, and by their instant."""

import pytest

from evidence.code import Class, Flag, Kind, Reason
from tests.drivers.vector import vector
from tests.record.gateway import Gateway, GatewayRun
from tests.record.upstream import Upstream, classes

UNCHECKED = (Class.PLACE_UNCHECKED, Reason.NO_RECEIVER)
NOT_ANSWERED = (Class.DATA_INVALID, Reason.NOT_ANSWERED)
AGENT_STAMPED = int(Flag.AGENT_STAMPED)


@pytest.fixture
def line(upstream: Upstream, gateway: Gateway) -> GatewayRun:
    """A run with two streams: three registers, and one with every type."""
    run = gateway.start()
    upstream.send(run.statement)
    for stream, name in ((1, "map_registers"), (2, "map_types")):
        upstream.send(run.describe(stream, vector("modbus", name), kind=Kind.MODBUS))
    return run


@pytest.mark.parametrize(
    ("stream", "name", "bound", "expected"),
    [
        (1, "registers_rtu", 70_000_000, UNCHECKED),
        (1, "registers_tcp", 1_000_000_000, UNCHECKED),
        (1, "registers_tcp", 1_000_000_001, (Class.TIME_DOUBTFUL, Reason.BOUND_TOO_WIDE)),
        (1, "registers_tcp", None, (Class.TIME_DOUBTFUL, Reason.BOUND_UNKNOWN)),
        (1, "exception_rtu", 70_000_000, NOT_ANSWERED),
        (1, "no_answer_tcp", 70_000_000, NOT_ANSWERED),
        (1, "wrong_unit_rtu", 70_000_000, NOT_ANSWERED),
        (1, "check_word_rtu", 70_000_000, NOT_ANSWERED),
        (1, "input_rtu", 70_000_000, (Class.DATA_INVALID, Reason.MALFORMED)),
        (2, "types_rtu", 70_000_000, (Class.DATA_INVALID, Reason.POINT_INVALID)),
    ],
)
def test_class_of_an_exchange(
    upstream: Upstream,
    line: GatewayRun,
    stream: int,
    name: str,
    bound: int | None,
    expected: tuple[Class, Reason],
):
    line.observe(stream, vector("modbus", name), bound=bound, flags=AGENT_STAMPED)
    assert classes(upstream.push(line.cut())) == [(stream, 1, 1, *expected)]


def test_answers_and_failures_by_stretches(upstream: Upstream, line: GatewayRun):
    for name in (
        "registers_rtu",
        "registers_tcp",
        "no_answer_rtu",
        "exception_tcp",
        "registers_tcp",
    ):
        line.observe(1, vector("modbus", name), bound=1000, flags=AGENT_STAMPED)
    assert classes(upstream.push(line.cut())) == [
        (1, 1, 2, *UNCHECKED),
        (1, 3, 4, *NOT_ANSWERED),
        (1, 5, 5, *UNCHECKED),
    ]
