"""What the checks of lines say of a stream, without a line."""

import pytest

from drivers.line import Setup, Source
from evidence.code import Kind
from evidence.siteplan import Site, SitePlan
from provisioning.preflight import line
from provisioning.preflight.outcome import Word
from provisioning.preflight.scene import Heard, Scene


@pytest.mark.parametrize(
    ("kind", "option"),
    [(Kind.C37118, "configuration = FILE"), (Kind.MCU_C37118, "configurations = [FILE]")],
)
def test_who_says_no_configuration_gets_a_file_by_the_option_that_its_scheme_has(
    kind: Kind, option: str
):
    """Behind a board nobody asks: who hears that it may answer waits for ever."""
    bare = Heard("relay", Setup("idcode=7", kind, b"", (0, 0), ()), kind, 122, (), None)
    scene = Scene(SitePlan(Site("A")), [Source("relay", "", {})], (), [bare])
    (found,) = line.configuration(scene)
    assert (found.word, found.of) == (Word.FAULT, "relay/idcode=7")
    assert found.todo.endswith(option)
