"""The ring: against a list, whatever is put, sent, heard, kept and set back, in any order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.ring import Ring

SIZE = 640  # ten slots
STEPS = st.lists(
    st.tuples(st.just("put"), st.binary(min_size=1, max_size=300))
    | st.tuples(st.just("send"), st.none())
    | st.tuples(st.sampled_from(("hear", "forget", "rewind")), st.integers(-1, 12)),
    max_size=60,
)


@given(STEPS)
@settings(max_examples=300)
def test_it_keeps_what_is_not_kept_elsewhere_and_sends_it_as_it_was(steps):
    ring = Ring(SIZE, 3)
    frames: dict[int, bytes] = {}
    first = heard = cursor = sent = 3
    for what, value in steps:
        if what == "put" and ring.put(memoryview(value)):
            frames[first + len(frames)] = value
        elif what == "put":
            kept = sum(len(one) for one in frames.values())
            # In one piece each: at worst a frame's length is lost at the end.
            assert kept + 2 * len(value) + 300 > SIZE or len(frames) >= SIZE // 64
        elif what == "send" and cursor < first + len(frames):
            assert bytes(ring.send()) == frames[cursor]
            cursor += 1
            sent = max(sent, cursor)
        elif what == "hear":
            ring.hear(first + value)
            heard = max(heard, min(first + value, sent))
            cursor = max(cursor, heard)
        elif what == "forget":
            ring.forget(first + value)
            for seq in range(first, min(first + value, heard)):
                del frames[seq]
                first = seq + 1
        elif what == "rewind":
            ring.rewind(first + value)
            cursor = max(first, min(cursor, first + value))
            heard = min(heard, cursor)
        assert (ring.first, ring.heard, ring.cursor) == (first, heard, cursor)
        assert ring.next == first + len(frames)
        assert ring.ahead == sum(len(frames[seq]) for seq in range(heard, cursor))


def test_a_frame_longer_than_the_ring_is_refused_and_the_next_is_kept():
    ring = Ring(128)
    assert not ring.put(memoryview(bytes(129)))
    assert ring.put(memoryview(b"next"))
    assert bytes(ring.send()) == b"next"
