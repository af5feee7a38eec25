"""An export of a device whose key was rotated: both keys are one device, if both signed and an
authority granted it."""

from typing import Any

import pytest

from evidence import cose
from evidence.code import Typ
from evidence.export import Stated
from evidence.leap import NS
from tests.evidence.exporting import Story, checked
from tests.record.gateway import START, Gateway, Statement, key
from tests.record.upstream import AUTHORITY, STRANGER


def rotated(story: Story, granted: bool = True) -> tuple[Story, Statement]:
    """The run that goes on under the next key, with the leftovers of the one before."""
    over = story.gateway.rotate()
    after = Story(story.gateway, story.run)
    (run,) = after.items
    after.items = [*story.items, Stated(over.encoded, ())]
    if granted:
        after.state(story.gateway.statement)
    after.items.append(run)
    after.number = story.number
    return after, over


def both() -> Story:
    """A batch under either key; the second carries what the first had not cut."""
    story = Story()
    story.describe(1)
    story.batch(1)
    story.observe(1)
    after, _ = rotated(story)
    after.describe(1)
    after.observe(1)
    after.cut(more=[story.run])
    return after


def test_an_archive_across_a_rotation_holds():
    reasons, tally = checked(both().items, every=True)
    assert reasons == []
    assert (tally.batches, tally.observations, tally.statements) == (2, 6, 7)


def test_it_needs_what_led_to_the_key():
    story = both()
    missing = {Typ.ROTATION: "names rotation", Typ.CREDENTIAL: "names credential"}
    for typ, words in missing.items():
        items = list(story.items)
        at = next(n for n, one in enumerate(items)
                  if isinstance(one, Stated) and cose.read(one.encoded).typ == typ)  # fmt: skip
        reasons, _ = checked([*items[:at], *items[at + 1 :]])
        assert any(words in reason for reason in reasons), reasons


def test_without_the_authority_it_is_another_device():
    """The old key handed over, and no credential says so: whoever has it has nothing more."""
    story = Story()
    story.describe(1)
    story.batch(1)
    after, _ = rotated(story, granted=False)
    reasons, _ = checked(after.items)
    assert any("names credential" in reason for reason in reasons)


@pytest.mark.parametrize("changes", [{"subject": "gw-2"}, {"role": "bench"}])
def test_a_credential_that_it_does_not_lead_to(changes: dict[str, Any]):
    story = Story()
    over = story.gateway.rotate(**changes)
    story.state(over)
    story.state(story.gateway.statement)
    reasons, _ = checked(story.items)
    assert [one.split(": ")[1] for one in reasons] == ["rotation_not_granted"]


def test_a_rotation_that_the_key_before_did_not_sign():
    story = Story()
    over = story.gateway.rotate()
    forged = cose.sign(Typ.ROTATION, cose.read(over.encoded).payload, STRANGER)
    story.state(Statement(forged))
    reasons, _ = checked(story.items)
    assert [one.split(": ")[1] for one in reasons] == ["kid"]


def test_a_first_key_of_its_own_is_another_device():
    """Two keys of one subject, and no rotation: the file is not one device's."""
    story = Story()
    story.describe(1)
    story.batch(1)
    other = Gateway("gw-1", AUTHORITY, serial=b"2", key=key("second").public)
    other.device = key("second")
    story.state(other.statement)
    story.state(other.start(started=START + NS).statement)
    reasons, _ = checked(story.items)
    assert any("is another device's" in reason for reason in reasons)
