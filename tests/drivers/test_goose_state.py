"""The sequence of a GOOSE stream: every case that the standard, a network or a forger can make."""

import random
from typing import Any

import pytest

from drivers.goose.data import UtcTime
from drivers.goose.state import COPY_NS, INT32U_MAX, JUMP_MAX, RIVALS, Facts, Machine, Sight
from evidence.code import Event

MS = 1_000_000
S = 1_000 * MS


class Publisher:
    """Says what a publisher would. Every field can be put otherwise."""

    def __init__(self, **fields: Any) -> None:
        self.fields: dict[str, Any] = {
            "stNum": 5,
            "sqNum": 3,
            "t": UtcTime(1000, 0, 0),
            "time_allowed_ms": 2000,
            "confRev": 1,
            "ndsCom": False,
            "entries": 1,
            "data": b"\x83\x01\x00",
            "identity": ("ds", "id", 1, b"m"),
            "sender": b"\x02",
            "heard": 1000 * S,
            **fields,
        }

    def say(self, after_ms: float = 0, **changed: Any) -> Facts:
        self.fields.update(changed)
        self.fields["heard"] += int(after_ms * MS)
        seen = {key: value for key, value in self.fields.items() if key not in ("heard", "sender")}
        return Facts(**self.fields, content=hash(tuple(seen.items())))

    def again(self, after_ms: float = 1000, **changed: Any) -> Facts:
        """The next message of the state."""
        return self.say(after_ms, sqNum=self.fields["sqNum"] + 1, **changed)

    def change(self, after_ms: float = 1000, by: int = 1, **changed: Any) -> Facts:
        """The first message of the next state."""
        t = UtcTime(self.fields["t"].seconds + 1, 0, 0)
        value = bytes((0x83, 1, 1 - self.fields["data"][2]))
        fields = {"stNum": self.fields["stNum"] + by, "sqNum": 0, "t": t, "data": value, **changed}
        return self.say(after_ms, **fields)


def heard(machine: Machine, facts: Facts) -> tuple[Sight, list[Event]]:
    verdict = machine.see(facts)
    return verdict.sight, [note.event for note in verdict.notes]


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def machine(publisher: Publisher) -> Machine:
    """One that has found a state."""
    made = Machine()
    assert heard(made, publisher.say()) == (Sight.FOUND, [Event.STATE_FOUND])
    return made


# --- the ordinary course


def test_changes_and_retransmissions(machine: Machine, publisher: Publisher):
    for _ in range(3):
        assert heard(machine, publisher.again()) == (Sight.REPEATED, [])
    for _ in range(3):
        assert heard(machine, publisher.change()) == (Sight.CHANGED, [])
        assert heard(machine, publisher.again(4)) == (Sight.REPEATED, [])


def test_a_publisher_that_starts_begins_with_sq_num_1():
    machine, publisher = Machine(), Publisher(stNum=INT32U_MAX, sqNum=0)
    machine.see(publisher.say())
    assert heard(machine, publisher.change(stNum=1, sqNum=1)) == (Sight.CHANGED, [])


def test_numbers_roll_over_to_1():
    machine, publisher = Machine(), Publisher(stNum=INT32U_MAX, sqNum=INT32U_MAX)
    machine.see(publisher.say())
    assert heard(machine, publisher.say(1000, sqNum=1)) == (Sight.REPEATED, [])
    assert heard(machine, publisher.change(stNum=1)) == (Sight.CHANGED, [])


def test_a_flag_of_commissioning_is_a_change_of_its_own(machine: Machine, publisher: Publisher):
    verdict = machine.see(publisher.again(ndsCom=True))
    assert (verdict.sight, verdict.timed) == (Sight.CHANGED, False)
    assert [note.event for note in verdict.notes] == [Event.MODE_CHANGED]


# --- what is missing


def test_states_that_were_not_heard_are_counted(machine: Machine, publisher: Publisher):
    verdict = machine.see(publisher.change(by=4))
    assert (verdict.sight, verdict.lost) == (Sight.CHANGED, 3)
    assert [note.event for note in verdict.notes] == [Event.STATES_LOST]


def test_across_the_roll_over_too():
    machine, publisher = Machine(), Publisher(stNum=INT32U_MAX - 1)
    machine.see(publisher.say())
    assert machine.see(publisher.change(stNum=2)).lost == 2


def test_a_number_far_ahead_counts_nothing(machine: Machine, publisher: Publisher):
    """A forger's stNum says nothing of how many there were."""
    verdict = machine.see(publisher.change(by=JUMP_MAX + 2))
    assert verdict.lost is None


def test_messages_that_were_not_heard_are_counted(machine: Machine, publisher: Publisher):
    verdict = machine.see(publisher.say(3000, sqNum=7))
    assert [note.event for note in verdict.notes] == [
        *(Event.SILENT, Event.MESSAGES_LOST, Event.HEARD_AGAIN),
    ]
    assert (verdict.sight, verdict.missed) == (Sight.REPEATED, 3)
    first = machine.see(publisher.change(sqNum=2))
    assert (first.sight, first.lost, first.missed) == (Sight.CHANGED, 0, 2)


# --- silence


def test_silence_is_told_once_and_its_end(machine: Machine, publisher: Publisher):
    start = publisher.fields["heard"]
    assert machine.watch(start + 2000 * MS) == []
    (note,) = machine.watch(start + 2000 * MS + 1)
    assert (note.event, note.at) == (Event.SILENT, start + 2000 * MS)
    assert machine.watch(start + 60 * S) == []
    assert heard(machine, publisher.again(60_000)) == (Sight.REPEATED, [Event.HEARD_AGAIN])
    assert machine.expires == start + 62 * S


def test_silence_is_seen_though_nobody_watched(machine: Machine, publisher: Publisher):
    sight, events = heard(machine, publisher.change(2001))
    assert (sight, events) == (Sight.CHANGED, [Event.SILENT, Event.HEARD_AGAIN])


def test_a_publisher_that_allows_for_nothing_is_not_supervised(publisher: Publisher):
    machine = Machine()
    machine.see(publisher.say(time_allowed_ms=0))
    assert machine.watch(publisher.fields["heard"] + 3600 * S) == []


# --- one message heard twice


def test_a_copy_is_no_replay_within_its_time(machine: Machine, publisher: Publisher):
    first = publisher.again()
    machine.see(first)
    for after in (0, 1, COPY_NS):
        copy = first._replace(heard=first.heard + after, sender=b"\x03")  # a mirror port's own
        assert heard(machine, copy) == (Sight.COPY, [])


def test_a_copy_after_its_time_is_a_replay(machine: Machine, publisher: Publisher):
    first = publisher.again()
    machine.see(first)
    late = first._replace(heard=first.heard + COPY_NS + 1)
    assert heard(machine, late) == (Sight.REFUSED, [Event.REPLAYED])


def test_whatever_comes_between(machine: Machine, publisher: Publisher):
    """Another message of the same numbers, again and again, makes no other one last."""
    first = dict(publisher.fields)
    machine.see(publisher.say())
    once = publisher.again(100)
    machine.see(once)
    for at in range(1, 10):
        forged = Publisher(**first).say(300 * at, identity=("ds", "id", 90 + at, b"m"))
        machine.see(forged)
    late = once._replace(heard=once.heard + 9 * 300 * MS)
    assert heard(machine, late)[0] is Sight.REFUSED


def test_a_copy_is_no_sign_of_life(machine: Machine, publisher: Publisher):
    first = publisher.again()
    machine.see(first)
    before = machine.expires
    machine.see(first._replace(heard=first.heard + COPY_NS))
    assert machine.expires == before


@pytest.mark.parametrize("seed", range(30))
def test_two_lans_that_lose_and_differ_in_delay(seed: int):
    """Whatever each LAN loses: a state that came by either is a sample once, and no replay."""
    chance = random.Random(seed)
    publisher, machine = Publisher(), Machine()
    machine.see(publisher.say())
    sent: list[Facts] = []
    for _ in range(60):
        gap_ms = chance.choice((1, 2, 5, 200))
        sent.append(publisher.change(gap_ms) if chance.random() < 0.6 else publisher.again(gap_ms))
    delays = 0, chance.choice((0, 3, 40, 150)) * MS
    arriving = sorted(
        (facts.heard + delays[lan], lan, facts)
        for facts in sent
        for lan in (0, 1)
        if chance.random() < 0.8
    )
    arriving = [(at, lan, facts) for at, lan, facts in arriving]
    sampled: list[int] = []
    for at, _, facts in arriving:
        verdict = machine.see(facts._replace(heard=at))
        assert verdict.sight is not Sight.REFUSED
        assert Event.REPLAYED not in [note.event for note in verdict.notes]
        if verdict.sight in (Sight.CHANGED, Sight.LATE):
            sampled.append(facts.stNum)
    came = {facts.stNum for _, _, facts in arriving} - {5}
    assert sorted(sampled) == sorted(came)


# --- out of order, replayed, forged


def test_a_state_that_comes_late_is_a_sample(machine: Machine, publisher: Publisher):
    six, seven = publisher.change(), publisher.change(1)
    assert machine.see(seven).lost == 1
    late = six._replace(heard=seven.heard + MS)
    assert heard(machine, late) == (Sight.LATE, [Event.REORDERED])
    again = late._replace(sqNum=1, content=9, heard=late.heard + MS)
    assert heard(machine, again) == (Sight.REPEATED, [Event.REORDERED])
    assert heard(machine, publisher.again(4)) == (Sight.REPEATED, [])


def test_it_is_old_after_a_while(machine: Machine, publisher: Publisher):
    six, seven = publisher.change(), publisher.change(1)
    machine.see(seven)
    old = six._replace(heard=seven.heard + COPY_NS + 1)
    assert heard(machine, old) == (Sight.REFUSED, [Event.REPLAYED])


def test_a_message_of_the_same_state_that_comes_late(machine: Machine, publisher: Publisher):
    four, five = publisher.again(), publisher.again(1)
    machine.see(five)
    late = four._replace(heard=five.heard + MS)
    assert heard(machine, late) == (Sight.REPEATED, [Event.REORDERED])
    assert heard(machine, publisher.again(1)) == (Sight.REPEATED, [])


def test_a_message_of_the_state_before_that_comes_late(machine: Machine, publisher: Publisher):
    before, change = publisher.again(), publisher.change(1)
    machine.see(change)
    late = before._replace(heard=change.heard + MS)
    assert heard(machine, late) == (Sight.REPEATED, [Event.REORDERED])
    forged = late._replace(sqNum=5, data=b"\x83\x01\x07", content=3, heard=late.heard + MS)
    assert heard(machine, forged) == (Sight.REFUSED, [Event.REPLAYED])


def test_a_replayed_state_changes_nothing(machine: Machine, publisher: Publisher):
    old = publisher.again()
    machine.see(old)
    machine.see(publisher.change(10_000))
    expires = machine.expires
    replay = old._replace(heard=publisher.fields["heard"] + S)
    assert heard(machine, replay) == (Sight.REFUSED, [Event.REPLAYED])
    assert machine.expires == expires
    assert heard(machine, publisher.again(1500)) == (Sight.REPEATED, [])


def test_values_that_change_without_a_new_number(machine: Machine, publisher: Publisher):
    verdict = machine.see(publisher.again(data=b"\x83\x01\x01"))
    assert (verdict.sight, verdict.timed) == (Sight.CHANGED, False)
    assert [note.event for note in verdict.notes] == [Event.UNANNOUNCED]
    assert heard(machine, publisher.again()) == (Sight.REPEATED, [])


def test_a_time_that_goes_back(machine: Machine, publisher: Publisher):
    sight, events = heard(machine, publisher.change(t=UtcTime(900, 0, 0)))
    assert (sight, events) == (Sight.CHANGED, [Event.TIME_WENT_BACK])


@pytest.mark.parametrize(
    ("changed", "event"),
    [
        ({"sender": b"\x09"}, Event.SENDER_CHANGED),
        ({"identity": ("other", "id", 1, b"m")}, Event.ADDRESS_CHANGED),
    ],
)
def test_who_sends_is_watched(
    machine: Machine, publisher: Publisher, changed: dict[str, Any], event: Event
):
    assert heard(machine, publisher.again(**changed)) == (Sight.REPEATED, [event])
    assert heard(machine, publisher.again()) == (Sight.REPEATED, [])


def test_another_revision_is_another_state(machine: Machine, publisher: Publisher):
    sight, events = heard(machine, publisher.again(confRev=2))
    assert (sight, events) == (Sight.CHANGED, [Event.REVISION_CHANGED])


def test_a_forged_state_does_not_shut_the_true_sender_out(machine: Machine, publisher: Publisher):
    """A number far ahead, that allows for fifty days of silence, and then nothing more."""
    real = Publisher(**publisher.fields)
    forged: dict[str, Any] = {
        "stNum": 4_000_000_000,
        "time_allowed_ms": INT32U_MAX,
        "sender": b"\x66",
    }
    machine.see(publisher.change(500, **forged))
    seen = [heard(machine, real.again(1000)) for _ in range(70)]
    taken = [at for at, (sight, _) in enumerate(seen) if sight is not Sight.REFUSED]
    assert all(events == [Event.REPLAYED] for sight, events in seen if sight is Sight.REFUSED)
    assert seen[taken[0]][1][0] == Event.RESTARTED
    assert taken == list(range(taken[0], 70))


def test_the_true_senders_next_change_is_taken_at_once(machine: Machine, publisher: Publisher):
    real = Publisher(**publisher.fields)
    machine.see(publisher.change(stNum=4_000_000_000))
    real.change()
    sight, events = heard(machine, real.change(100))
    assert (sight, events) == (Sight.CHANGED, [Event.RESTARTED])


# --- begun anew


def test_a_publisher_that_begins_anew(machine: Machine, publisher: Publisher):
    verdict = machine.see(publisher.change(stNum=1, sqNum=1))
    assert (verdict.sight, verdict.lost) == (Sight.CHANGED, 0)
    assert [note.event for note in verdict.notes] == [Event.RESTARTED]
    later = machine.see(publisher.change(stNum=1, sqNum=1))  # and once more, under the same numbers
    assert [note.event for note in later.notes] == [Event.RESTARTED]


def test_one_that_has_changed_before_it_was_heard(machine: Machine, publisher: Publisher):
    assert machine.see(publisher.change(stNum=3)).lost is None


def test_one_whose_clock_begins_anew_too(machine: Machine, publisher: Publisher):
    """Not before the old one is silent for as long as it allowed, and the new one goes on."""
    reset = Publisher(**publisher.fields)
    reset.say(stNum=1, sqNum=0, t=UtcTime(10, 0, 0))
    seen = [heard(machine, reset.again(500)) for _ in range(6)]
    assert [sight for sight, _ in seen[:4]] == [Sight.REFUSED] * 4
    sight, events = seen[4]
    assert (sight, events[0], events[-1]) == (*(Sight.CHANGED, Event.SILENT, Event.HEARD_AGAIN),)
    assert Event.RESTARTED in events
    assert seen[5] == (Sight.REPEATED, [])


def test_replays_of_one_message_never_begin_anything(machine: Machine, publisher: Publisher):
    old = publisher.again()
    machine.see(old)
    machine.see(publisher.change())
    for second in range(10, 10 + 3 * RIVALS):
        replay = old._replace(heard=publisher.fields["heard"] + second * S)
        assert machine.see(replay).sight is Sight.REFUSED


# --- bounds


def test_memory_is_bounded():
    machine, publisher = Machine(), Publisher()
    for _ in range(20_000):
        machine.see(publisher.change(0.001, by=2))
    assert len(machine._recent) <= 4096
    assert len(machine._holes) <= 64


@pytest.mark.parametrize("seed", range(10))
def test_whatever_comes_is_a_verdict(seed: int):
    chance = random.Random(seed)
    machine, publisher = Machine(), Publisher()
    for _ in range(500):
        edge = (0, 1, 2, 5, INT32U_MAX - 1, INT32U_MAX, chance.randrange(INT32U_MAX))
        fields: dict[str, Any] = {"stNum": chance.choice(edge), "sqNum": chance.choice(edge)}
        fields["t"] = UtcTime(chance.choice(edge), 0, 0)
        fields["time_allowed_ms"] = chance.choice(edge)
        verdict = machine.see(publisher.say(chance.choice((-1000, 0, 1, 500, 5000)), **fields))
        assert verdict.lost is None or verdict.lost >= 0
        assert verdict.missed >= 0
