"""What the plant of a fake place says: its answers, among warnings of whatever it is made of."""

from hil.live import fake

SAID = """{"begins": 1}
socket.send() raised exception.
{"n": 1, "at": 5}
Traceback (most recent call last):
[1, 2]
{"n": 2, "refused": "pmu-a cannot hop"}
{"n": 3, "a"""


def test_what_is_no_object_is_no_answer_and_the_last_comes_first():
    assert list(fake.objects(SAID)) == [
        {"n": 2, "refused": "pmu-a cannot hop"},
        {"n": 1, "at": 5},
        {"begins": 1},
    ]
    assert list(fake.objects("")) == []
