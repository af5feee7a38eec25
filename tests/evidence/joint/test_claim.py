"""A claim's body says its figures in one way, with their units and how they were rounded."""

import pytest

from evidence import cbor
from evidence.code import Reason
from evidence.joint import claim
from evidence.joint.claim import NET_ENERGY, Claim, Figure
from evidence.refusal import EvidenceError

CLAIM = Claim(
    "SPP to ERCOT, HE12 CST",
    "Form EIA-930, kept by a university",
    (Figure(NET_ENERGY, "MWh", -815.0, 1.0), Figure("load shed", "MW", 641.0)),
)


def test_what_is_written_is_read_and_written_again():
    found = claim.read(CLAIM.body())
    assert found == CLAIM
    assert found.body() == CLAIM.body()
    assert found.figure(NET_ENERGY) == Figure(NET_ENERGY, "MWh", -815.0, 1.0)
    assert found.figure("frequency") is None


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([1, "", "", []], "claim"),
        ([1, "said", "", [["net", "MWh", 1, None]]], "value"),
        ([1, "said", "", [["net", "MWh", 1.0, 0.0]]], "rounded"),
        ([1, "said", "", [["net", "MWh", 1.0, None]] * 2], "figures"),
        ([1, "said", "", [["net", "", 1.0, None]]], "unit"),
        ([1, "x" * 4097, "", []], "text"),
        ([1, "said", "", [["net", "MWh", 1.0]]], "figure"),
        ([1, "said", "", [[str(n), "MWh", 1.0, None] for n in range(257)]], "figures"),
    ],
)
def test_what_no_claim_says_is_refused_by_name(value, named):
    with pytest.raises(EvidenceError, match=named) as refused:
        claim.read(cbor.encode(value))
    assert refused.value.reason == Reason.SHAPE
