"""A policy is read strictly; the one that is shipped says what it is to say."""

import pytest

from evidence.code import Matter, Part, Reason, Role, Step
from evidence.joint import policy
from evidence.joint.policy import HOUR_NS, Asked, Reach
from evidence.refusal import EvidenceError
from evidence.toml import TomlError
from tests.evidence.joint.sharing import SHIPPED

LEAST = '[[rule]]\nmatter = "policy"\nauthor = "BA"\n'


@pytest.fixture(scope="module")
def shipped() -> policy.Policy:
    return policy.parse(SHIPPED.read_text(encoding="utf-8"))


def test_the_shipped_policy_has_a_rule_of_each_matter(shipped):
    assert {rule.matter for rule in shipped.rules} == set(Matter)
    hour = shipped.rule(Matter.INTERCHANGE)
    both = Asked(frozenset({Role.BA}), reach=Reach.EACH)
    assert hour is not None and hour.sign == (both,) and hour.footprints_min == 2
    assert (hour.expires, hour.logged_within) == (168 * HOUR_NS, 72 * HOUR_NS)
    emergency = shipped.rule(Matter.DC_TIE_EMERGENCY)
    assert emergency is not None and emergency.sign == (both,)
    assert emergency.notify == (Asked(frozenset({Role.COMMISSION}), reach=Reach.EACH),)
    sold = shipped.rule(Matter.DER_AGGREGATION)
    assert sold is not None
    assert [one.part for one in sold.sign] == [Part.RTO, Part.HOST, Part.AGGREGATOR]


def test_a_handoffs_step_has_its_own_rule_where_it_has_one(shipped):
    asks, begins = shipped.rule(Matter.HANDOFF, Step.REQUESTED), shipped.rule(Matter.HANDOFF)
    assert asks is not None and not asks.sign
    assert begins is not None and len(begins.sign) == 2
    assert shipped.rule(Matter.HANDOFF, Step.ACTIVE) is begins


def test_a_body_is_read_as_it_was_written():
    text = SHIPPED.read_text(encoding="utf-8")
    assert policy.read(policy.body(text)) == policy.parse(text)


def test_a_minimum_is_the_greatest_that_applies():
    rows = (
        ("energy", 50.0, None), ("energy", 100.0, "WEST"), ("energy", 10.0, "EAST"),
    )  # fmt: skip
    text = LEAST + "".join(
        f'[[tariff]]\nservice = "{service}"\nminimum_kw = {least}\n'
        + (f'footprint = "{where}"\n' if where else "")
        for service, least, where in rows
    )
    found = policy.parse(text)
    assert found.minimum_kw("energy", frozenset({"EAST"})) == 50.0
    assert found.minimum_kw("energy", frozenset({"EAST", "WEST"})) == 100.0
    assert found.minimum_kw("reserve", frozenset({"WEST"})) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("expire_h = 1", "rule[0].expire_h: unknown; did you mean 'expires_h'?"),
        ("expires_h = 0", "rule[0].expires_h: found 0; expected an integer from 1"),
        ("expires_h = true", "rule[0].expires_h: found True; expected an integer"),
        ('sign = [{ rol = "BA", of = "anywhere" }]', "rule[0].sign[0].role: missing"),
        ('sign = [{ role = "BB", of = "anywhere" }]', "rule[0].sign[0].role: 'BB' is unknown"),
        ('sign = [{ role = "BA" }]', "rule[0].sign[0].of: missing"),
        ('sign = [{ role = "BA", of = "nowhere" }]', "rule[0].sign[0].of: 'nowhere' is unknown"),
        ('sign = [{ part = "ownr" }]', "'ownr' is unknown; did you mean 'owner'?"),
        ('sign = [{ part = "owner", of = "each footprint" }]', "expected a role"),
        ("sign = [{ subject = true }]", "rule[0].sign[0].subject: is of registry records alone"),
        ('sign = [{ subject = true, role = "BA" }]', "rule[0].sign[0].role: unknown"),
        ('sign = "BA"', "rule[0].sign: found 'BA'; expected an array of tables"),
        ("sign = [1]", "rule[0].sign[0]: found 1; expected a table"),
        ('sign = [{ role = "BA", of = "each footprint" }]\nfootprints_min = 0', "footprints_min"),
        ("footprints_min = 65", "rule[0].footprints_min"),
        ('step = "active"', "rule[0].step: found 'active'; expected none, but of a handoff"),
        ("seam = 1", "rule[0].seam: found 1; expected true or false"),
        ('[[rule]]\nmatter = "policy"\nauthor = "BA"', "rule[1].matter: a second rule of policy"),
        ('[[rule]]\nmatter = "handof"\nauthor = "BA"', "did you mean 'handoff'?"),
        ('[[rule]]\nmatter = "claim"\nauthor = []', "rule[1].author: found a list"),
        ('[[rule]]\nmatter = "claim"', "rule[1].author: missing"),
        ('[[tarif]]\nservice = "x"', "tarif: unknown; did you mean 'tariff'?"),
        ('[[tariff]]\nservice = "x"\nminimum_kw = -1', "tariff[0].minimum_kw"),
        ('[[tariff]]\nservice = "x"\nminimum_kw = nan', "tariff[0].minimum_kw"),
        (f'[[tariff]]\nservice = "x"\nminimum_kw = 1{"0" * 400}', "tariff[0].minimum_kw: found"),
        (f"footprints_min = 0x1{'0' * 5000}", "found an integer of 20001 bits; expected"),
        ('[[tariff]]\nservice = " "\nminimum_kw = 1', "tariff[0].service"),
        ("x = ", "not TOML"),
        ("x." * 40 + "x = 1", "parts or more"),
        ("x = " + "[" * 5000, "not TOML"),
        ("# " + "x" * policy.POLICY_CHARS_MAX, "at most"),
    ],
)  # fmt: skip
def test_what_no_policy_says_is_named_with_its_place(more, said):
    with pytest.raises(TomlError) as caught:
        policy.parse(f"{LEAST}{more}\n")
    assert said in str(caught.value)
    with pytest.raises(EvidenceError) as refused:
        policy.body(f"{LEAST}{more}\n")
    assert refused.value.reason == Reason.SHAPE


def test_a_policy_that_could_never_be_followed_by_another_is_none():
    with pytest.raises(TomlError, match="none of policy"):
        policy.parse('[[rule]]\nmatter = "claim"\nauthor = "BA"\n')
