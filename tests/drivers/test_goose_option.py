"""The options of a GOOSE source: what is subscribed, what is joined, what is refused."""

from pathlib import Path
from typing import Any

import pytest

from drivers.goose.dataset import DataSet, Member
from drivers.goose.option import Options
from drivers.goose.session import Subscription, Terms
from drivers.line import Source
from drivers.registry import options_of
from evidence.config import ConfigError, convert
from tests.drivers.test_goose_scl import BAY, FIRST, SECOND


def options(**given: Any) -> Options:
    return convert({"interface": "eth0", **given}, Options, "source 'bay'")


def terms(content: bytes = b"", **given: Any) -> Terms:
    return options(**given).terms("source 'bay'", content)


def refused(content: bytes = b"", **given: Any) -> str:
    with pytest.raises(ConfigError) as found:
        terms(content, **given)
    return str(found.value)


def test_one_subscription_by_the_sources_own_options():
    """As a URL states them."""
    (found,) = terms(gocbref=FIRST, appid=0x3001, goid="TRIP").subscriptions
    assert found == Subscription(FIRST, 0x3001, "TRIP", None, None)
    assert terms().subscriptions == ()


def test_by_hand():
    entries = [
        {"name": "Pos", "type": "bit-string"},
        {"name": "q", "quality": True},
        {"name": "A.mag", "members": [{"name": "f", "type": "floating-point"}]},
    ]
    subscribe = [{"gocbref": FIRST, "confrev": 3, "members": entries}, {"goid": "OTHER"}]
    first, second = terms(subscribe=subscribe).subscriptions
    members = (
        Member("Pos", "bit-string"),
        Member("q", "bit-string", "Quality"),
        Member("A.mag", "structure", "", (Member("f", "floating-point"),)),
    )
    assert first.dataset == DataSet(FIRST, None, None, 3, members)
    assert second == Subscription(goID="OTHER")


def test_all_control_blocks_of_a_file():
    first, second = terms(BAY, scl="bay.cid").subscriptions
    assert (first.gocbRef, first.appid, second.gocbRef) == (FIRST, 0x3001, SECOND)
    assert first.dataset is not None and first.dataset.confRev == 3


@pytest.mark.parametrize(
    "wanted", [{"gocbref": FIRST}, {"appid": 0x3001, "goid": "TRIP"}, {"goid": "TRIP"}]
)
def test_one_of_a_file(wanted: dict[str, Any]):
    (found,) = terms(BAY, scl="bay.cid", subscribe=[wanted]).subscriptions
    assert (found.gocbRef, found.appid) == (FIRST, 0x3001)
    assert found.destination == bytes.fromhex("010ccd010007")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"subscribe": [{}]}, "needs gocbref, appid or goid"),
        ({"subscribe": [{"gocbref": FIRST, "members": [{"name": "a", "type": "bool"}]}]}, "'bool'"),
        (
            {
                "subscribe": [
                    {"goid": "x", "members": [{"name": "a", "type": "integer", "members": [{}]}]}
                ]
            },
            "name",
        ),
        (
            {
                "subscribe": [
                    {
                        "goid": "x",
                        "members": [{"name": "a", "type": "integer", "members": [{"name": "b"}]}],
                    }
                ]
            },
            "'integer' has no members",
        ),
        ({"appid": 65536}, "65535"),
        ({"gocbrf": "x"}, "did you mean 'gocbref'"),
        ({"groups": ["01-0C-CD"]}, "groups"),
        ({"interface": "an-interface-of-16"}, "interface"),
    ],
)
def test_what_is_refused_by_hand(given: dict[str, Any], told: str):
    assert told in refused(**given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ied": "IED2"}, "no GSEControl of IED 'IED2'"),
        (
            {"gocbref": "IED1LD0/LLN0$GO$gcb03"},
            f"0 control blocks of the file fit; there are {FIRST}",
        ),
        ({"gocbref": FIRST, "confrev": 4}, "4 is stated, and the file says 3"),
        ({"gocbref": FIRST, "appid": 0x3002}, "0 control blocks"),
        ({"subscribe": [{"goid": "TRIP", "members": [{"name": "a"}]}]}, "one of them must go"),
        ({"subscribe": [{"goid": "TRIP", "datset": "x"}]}, "'x' is stated"),
    ],
)
def test_what_a_file_contradicts(given: dict[str, Any], told: str):
    assert told in refused(BAY, scl="bay.cid", **given)


def test_what_is_joined():
    """The groups known where all are; else whatever multicast comes, unless the site says."""
    known = options(scl="bay.cid", gocbref=FIRST)
    assert known.joined(known.terms("", BAY).subscriptions) == (bytes.fromhex("010ccd010007"),)
    whole = options(scl="bay.cid")
    assert whole.joined(whole.terms("", BAY).subscriptions) == ()
    old = options(gocbref=FIRST, groups=["01:a0:f4:08:2f:77"])
    assert old.joined(old.terms("").subscriptions) == (bytes.fromhex("01a0f4082f77"),)
    both = options(scl="bay.cid", gocbref=FIRST, groups=["01-A0-F4-08-2F-77"])
    assert len(both.joined(both.terms("", BAY).subscriptions)) == 2
    assert options(groups=["01-A0-F4-08-2F-77"], multicast="all").joined(()) == ()


def test_the_sample_is_one():
    """Every source of sample.toml is understood."""
    import tomllib

    import drivers.goose

    folder = Path(drivers.goose.__path__[0])
    sources = tomllib.loads((folder / "sample.toml").read_text("utf-8"))["source"]
    for each in sources:
        assert isinstance(
            options_of(Source(each["name"], each["scheme"], each["options"])), Options
        )
    content = BAY.replace(b'name="IED1"', b'name="F650"').replace(b'"IED1"', b'"F650"')
    first = convert(sources[0]["options"], Options, "sample")
    assert len(first.terms("sample", content).subscriptions) == 2
    for each in sources[1:]:
        convert(each["options"], Options, "sample").terms("sample")
