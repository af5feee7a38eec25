"""How long nothing was heard, looked at by a loop that may be late."""

from drivers.silence import Silence


def test_what_is_looked_at_in_time_counts_whole():
    silence = Silence(100.0)
    due_s = silence.next_look_s(100.0, 8.0)
    assert due_s == 102.0
    assert silence.look(due_s) == 2.0


def test_what_the_loop_was_held_up_is_nobodys_silence():
    silence = Silence(100.0)
    due_s = silence.next_look_s(100.0, 8.0)
    assert silence.look(due_s + 30.0) == 2.0
    due_s = silence.next_look_s(due_s + 30.0, 8.0)
    assert silence.look(due_s) == 4.0


def test_what_was_heard_late_is_not_heard_in_the_future():
    """Heard after the loop ran again, and before the look."""
    silence = Silence(100.0)
    due_s = silence.next_look_s(100.0, 8.0)
    silence.heard(due_s + 29.0)
    assert silence.look(due_s + 30.0) == 0.0
