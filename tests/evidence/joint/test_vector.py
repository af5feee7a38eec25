"""The bodies of the vectors' records, and what their forms say of them."""

import pytest

from evidence.joint import matter, record, registry
from tests.evidence import vector

NAMES = [name for name in vector.SIGNED if name.startswith("record_")]


@pytest.mark.parametrize("name", NAMES)
def test_a_body_is_of_the_form_of_its_matter_and_written_alike(name):
    says = record.read(vector.raw(name, "payload"))
    reader = matter.BODIES.get(says.matter)
    found = says.body if reader is None else reader(says.body)
    body = getattr(found, "body", None)
    assert says.body == (body() if callable(body) else says.body)


def test_the_key_of_the_listing_agreed_to_it():
    says = record.read(vector.raw("record_registry", "payload"))
    listing = registry.read(says.body)
    assert [key.possession is None for key in listing.keys] == [True, False]
    listing.check_possession()
