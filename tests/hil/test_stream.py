"""A TCP stream comes out once and in order, whatever befell the capture; losses are named."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.capture import PENDING_BYTES_MAX
from tests.hil.packet import (
    RST,
    SYN,
    pcap,
    read,
    streams,
    tcp,
    udp,
)

MESSAGE = bytes(range(200)) * 3


@pytest.mark.parametrize("start", [1, 2**32 - 100])
def test_tcp_whatever_the_order_overlap_and_repetition(start: int) -> None:
    cuts = [(0, 100), (100, 250), (250, 400), (400, 600)]
    for order in itertools.permutations(range(1, 4)):
        sent = [tcp(start - 1, flags=SYN), tcp(start, MESSAGE[:100])]
        for number in order:
            at, end = cuts[number]
            sent += [
                tcp(start + at, MESSAGE[at:end]),
                tcp(start + at - 30, MESSAGE[at - 30 : end - 10]),
            ]
        found, tally = read(pcap(sent))
        assert streams(found) == {(1, 0): MESSAGE} and not tally.faults
        assert [c.fresh for c in found] == [True] + [False] * (len(found) - 1)


def test_a_connection_that_was_open_before_the_capture_is_read_from_where_it_starts() -> None:
    found, tally = read(
        pcap([tcp(77, b"later"), tcp(900, b"answer", back=True, ack=82), tcp(82, b" on", ack=906)])
    )
    assert streams(found) == {(1, 0): b"later on", (1, 1): b"answer"} and not tally.faults


def test_a_hole_that_the_receiver_does_not_know_is_named_and_the_stream_goes_on() -> None:
    sent = [tcp(1, b"aaaa"), tcp(9, b"cccc"), tcp(1, back=True, ack=13), tcp(13, b"dddd")]
    found, tally = read(pcap(sent))
    assert [(c.payload, c.fresh) for c in found] == [
        (b"aaaa", True),
        (b"cccc", True),
        (b"dddd", False),
    ]
    assert found[1].ts_ns == 1002 * 10**9 + 250_000_000  # when it became readable
    assert tally.faults == {"tcp_hole": 1}


def test_a_hole_with_no_answer_in_the_capture_ends_with_the_buffer_or_the_file() -> None:
    few, tally = read(pcap([tcp(1, b"aaaa"), tcp(9, b"cccc")]))
    assert streams(few) == {(1, 0): b"aaaacccc"} and tally.faults == {"tcp_hole": 1}
    size = 1400
    many = [tcp(1, b"aaaa")] + [
        tcp(9 + at * size, bytes(size)) for at in range(PENDING_BYTES_MAX // size + 50)
    ]
    found, tally = read(pcap(many))
    assert (
        tally.faults == {"tcp_hole": 1} and len(streams(found)[1, 0]) == 4 + (len(many) - 1) * size
    )
    assert len(found) > 40  # it did not wait for the end of the file


def test_a_new_connection_on_the_same_ports_is_another_flow() -> None:
    sent = [
        tcp(0, flags=SYN),
        tcp(1, b"old"),
        tcp(4, flags=RST),
        tcp(5000, flags=SYN),
        tcp(5000, flags=SYN),
        tcp(5001, b"new"),
    ]
    found, tally = read(pcap(sent))
    assert streams(found) == {(1, 0): b"old", (2, 0): b"new"} and not tally.faults


def test_a_sequence_number_from_nowhere_does_not_end_the_stream() -> None:
    found, tally = read(pcap([tcp(1, b"aa"), tcp(3_000_000_000, b"??"), tcp(3, b"bb")]))
    assert (
        [c.payload for c in found] == [b"aa", b"??", b"bb"]
        and found[2].fresh
        and tally.faults == {"tcp_jump": 2}
    )


def test_a_capture_that_cut_its_packets_says_so() -> None:
    sent = [tcp(1, b"a" * 60), tcp(61, b"b" * 10), tcp(1, back=True, ack=71), udp(b"u" * 60)]
    found, tally = read(pcap(sent, cut=80))
    assert [c.payload for c in found] == [b"a" * 40, b"b" * 10] and found[1].fresh
    assert tally.faults == {"packet_truncated": 2, "tcp_hole": 1}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_any_loss_and_any_order_never_invents_a_byte_nor_turns_the_stream_round(
    start: int, data: st.DataObject
) -> None:
    size = 7
    pieces = [(at, MESSAGE[at : at + size]) for at in range(0, 140, size)]
    sent = data.draw(st.lists(st.sampled_from(pieces), max_size=40))
    found, _ = read(
        pcap([tcp(start - 1, flags=SYN)] + [tcp(start + at, piece) for at, piece in sent])
    )
    got = b"".join(chunk.payload for chunk in found)
    assert list(got) == sorted(set(got)) and set(got) <= set(MESSAGE[:140])
