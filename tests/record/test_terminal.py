"""What a descriptor claims of its place the credential must grant: a real record refuses all else,
and so does whoever checks an export by itself.
"""

from dataclasses import replace
from typing import Any

import pytest

from evidence import cose
from evidence.code import Reason, Typ
from evidence.credential import Named, Terminal
from evidence.disclosure import digest
from evidence.export import Stated
from evidence.position import Position
from evidence.refusal import EvidenceError
from tests.evidence.exporting import checked
from tests.record.gateway import BUS, OTHER_BUS, Gateway, GatewayRun, Statement
from tests.record.upstream import AUTHORITY, BOTH, Upstream

T1, T2 = bytes(range(32, 48)), bytes(range(48, 64))
HERE = Position(46.9480, 7.4474, 600.0, 0.5)
SALT = bytes(16)
GRANTED = (Terminal(T1, BUS, 1), Terminal(T2, OTHER_BUS, 0), Terminal(T1, BUS, -1))
CLAIMS = [
    # node, terminal, direction of the channel; the reason for which it is refused
    (BUS, T1, 1, None),
    (BUS, T1, -1, None),
    (BUS, T1, 0, None),  # no direction is claimed
    (BUS, None, 0, None),
    (None, None, 0, None),
    (OTHER_BUS, T2, 0, None),
    (OTHER_BUS, T2, 1, Reason.TERMINAL_NOT_GRANTED),  # the other way round, for all we know
    (OTHER_BUS, T1, 1, Reason.TERMINAL_NOT_GRANTED),  # at another bus, which is granted too
    (BUS, T2, 0, Reason.TERMINAL_NOT_GRANTED),
    (None, T1, 1, Reason.TERMINAL_NOT_GRANTED),
    (BUS, None, 1, Reason.TERMINAL_NOT_GRANTED),  # a direction of nothing
    (BUS, bytes(16), 0, Reason.TERMINAL_NOT_GRANTED),
    (bytes(16), T1, 1, Reason.BUS_NOT_GRANTED),
]


def granted() -> Gateway:
    """A gateway whose credential grants terminals, and carries a position."""
    made = Gateway("gw-1", AUTHORITY)
    named = Named(BUS, digest(SALT, b"names"), None)
    says = replace(
        made.credential,
        buses=(BUS, OTHER_BUS),
        terminals=GRANTED,
        position=digest(SALT, HERE.value()),
        named=(named,),
    )
    pairs = (*made.statement.pairs, (SALT, HERE.value()), (SALT, b"names"))
    made.credential = says
    made.statement = Statement(cose.sign(Typ.CREDENTIAL, says.payload(), AUTHORITY), pairs)
    return made


def described(
    run: GatewayRun, cfg: bytes, place: Position | None = None, **claim: Any
) -> Statement:
    """Stream 1, whose only channel claims this."""
    plain = run.describe(1, cfg)
    value = run.value
    channels = (replace(value.channels[0], **claim),) if claim else value.channels
    position = None if place is None else digest(SALT, place.value())
    value = replace(value, channels=channels, position=position)
    pairs = plain.pairs if place is None else (*plain.pairs, (SALT, place.value()))
    return Statement(cose.sign(Typ.DESCRIPTOR, value.payload(), run.key), pairs)


@BOTH
@pytest.mark.parametrize(("node", "terminal", "direction", "reason"), CLAIMS)
def test_the_record_takes_what_is_granted_and_refuses_the_rest(
    upstream: Upstream,
    cfg: bytes,
    node: bytes | None,
    terminal: bytes | None,
    direction: int,
    reason: Reason | None,
):
    gateway = granted()
    run = gateway.start()
    upstream.send(gateway.statement, run.statement)
    one = described(run, cfg, node=node, terminal=terminal, direction=direction)
    if reason is None:
        upstream.send(one)
        return
    with pytest.raises(EvidenceError) as fault:
        upstream.send(one)
    assert fault.value.reason == reason


@BOTH
def test_a_position_far_from_the_granted_one_is_refused(upstream: Upstream, cfg: bytes):
    gateway = granted()
    run = gateway.start()
    upstream.send(gateway.statement, run.statement)
    with pytest.raises(EvidenceError, match="60 m from the position in the credential") as fault:
        upstream.send(described(run, cfg, HERE.moved(0, 60)))
    assert fault.value.reason == Reason.PLACE_NOT_GRANTED
    upstream.send(described(run, cfg, HERE.moved(3, 0)))


def test_a_credential_without_a_position_grants_any(upstream: Upstream, cfg: bytes):
    gateway = Gateway("gw-1", AUTHORITY)
    run = gateway.start()
    upstream.send(gateway.statement, run.statement, described(run, cfg, HERE))


@pytest.mark.parametrize(
    ("claim", "place", "told"),
    [
        ({"terminal": T1, "direction": 1}, None, ""),
        ({"terminal": T2}, None, "terminal_not_granted"),
        ({}, HERE.moved(0, 60), "place_not_granted"),
        ({}, HERE.moved(0, 6), ""),
    ],
)
def test_an_export_is_judged_alike(
    cfg: bytes, claim: dict[str, Any], place: Position | None, told: str
):
    gateway = granted()
    run = gateway.start()
    statements = (gateway.statement, run.statement, described(run, cfg, place, **claim))
    said, _ = checked([Stated(one.encoded, one.pairs) for one in statements])
    assert len(said) == bool(told)
    assert told in "".join(said)
