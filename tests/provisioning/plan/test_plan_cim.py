"""CIM models of the same grid: both editions of CGMES, what they agree in, and what is refused."""

import re

import pytest

from provisioning.plan import rdf
from provisioning.plan.rdf import Model
from tests.provisioning.plan.imported import (
    EQ,
    EQBD,
    OLD_EQ,
    OLD_EQBD,
    changed,
    checked,
    mrid,
    of_cim,
    of_scl,
    refused_cim,
)

SSH = b"""<rdf:RDF xmlns:cim="http://iec.ch/TC57/CIM100#"
  xmlns:md="http://iec.ch/TC57/61970-552/ModelDescription/1#"
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <md:FullModel rdf:about="urn:uuid:5c1e0000-0000-4000-8000-000000000009">
    <md:Model.profile>http://iec.ch/TC57/ns/CIM/SteadyStateHypothesis-EU/3.0</md:Model.profile>
  </md:FullModel>
  <cim:Terminal rdf:about="#_5c1e0000-0000-4000-8000-000000000401"/>
</rdf:RDF>"""


@pytest.mark.parametrize("files", [(EQ, EQBD), (OLD_EQ, OLD_EQBD), (EQBD, EQ)])
def test_a_model_of_either_edition_makes_the_same_plan(files: tuple[bytes, bytes]) -> None:
    plan = checked(of_cim(*files), "model")
    assert [(bus.name, bus.mrid, bus.nominal_kv) for bus in plan.bus] == [
        ("E1 BB1", mrid(101), 345.0),
        ("E1 L3", mrid(104), 345.0),
        ("E1 T1", mrid(105), 345.0),
        ("D1 BB1", mrid(106), 138.0),
        ("D1 T1", mrid(107), 138.0),
        ("D1 L1", mrid(108), 138.0),
    ]
    (line,), (tie,) = plan.line, plan.tie
    assert (line.name, line.mrid) == ("North - South 1", mrid(400))
    assert (line.r, line.x, line.b, line.base, line.length_km) == (3.2, 35.4, 0.00042, None, 98.5)
    assert (line.from_.terminal, line.from_.bus) == (mrid(401), "E1 L3")  # sequenceNumber 1
    assert (line.to.terminal, line.to.bus) == (mrid(402), "")
    assert (tie.mrid, tie.r, tie.x, tie.b) == (mrid(420), 1.9, 9.8, 6.5e-05)
    assert (tie.from_.owner, tie.to.owner) == ("Utility A", "Utility B")


@pytest.mark.parametrize("files", [(EQ, EQBD), (OLD_EQ, OLD_EQBD)])
@pytest.mark.parametrize("substation", ["North", "South"])
def test_scl_and_cim_agree_where_both_say_the_same(
    files: tuple[bytes, bytes], substation: str
) -> None:
    ours = checked(of_scl(substation=substation), "grid.scd")
    theirs = checked(of_cim(*files, substation=substation), "model")
    assert [(b.name, b.mrid, b.nominal_kv) for b in ours.bus] == [
        (b.name, b.mrid, b.nominal_kv) for b in theirs.bus
    ]
    assert [(one.mrid, one.from_.terminal, one.from_.bus, one.to.terminal, one.to.bus)
            for one in ours.line] == [
        (one.mrid, one.from_.terminal, one.from_.bus, one.to.terminal, one.to.bus)
        for one in theirs.line
    ]  # fmt: skip
    told = {one.mrid: (one.name, one.terminal) for one in theirs.equipment}
    both = [one for one in ours.equipment if one.mrid in told]
    assert len(both) >= 3
    assert {one.mrid: (one.name, one.terminal) for one in both}.items() <= told.items()
    # where SCL knows an infeed CIM knows a tie, and both mean this terminal
    ends = {end.terminal for one in ours.equipment for end in one.terminal}
    assert {tie.from_.terminal for tie in theirs.tie} <= ends


def test_a_substation_by_its_mrid() -> None:
    assert checked(of_cim(EQ, EQBD, substation=f"_{mrid(2)}"), "model").site.name == "South"
    fault = refused_cim(EQ, EQBD, substation="Sooth")
    assert "'Sooth' is there 0 times; there are 'North', 'South'" in fault.text


def test_a_line_without_control_area_is_a_tie_where_another_grid_is_injected() -> None:
    told = EQ.decode()
    begin, end = told.index("  <cim:ControlArea "), told.index("</cim:TieFlow>") + 15
    bare = (told[:begin] + told[end:]).encode()
    (tie,) = checked(of_cim(bare, EQBD), "model").tie
    assert (tie.mrid, tie.from_.owner, tie.to.owner) == (mrid(420), "", "")


@pytest.mark.parametrize("boundary", [EQBD, OLD_EQBD])
def test_a_line_to_a_boundary_point_is_a_tie_whoever_is_behind_it(boundary: bytes) -> None:
    eq = EQ if boundary is EQBD else OLD_EQ
    told = eq.decode()
    begin = told.index("  <cim:EquivalentInjection ")
    bare = (told[:begin] + "</rdf:RDF>\n").encode()
    (tie,) = checked(of_cim(bare, boundary), "model").tie
    assert (tie.mrid, tie.to.bus) == (mrid(420), "")


def test_files_of_other_profiles_are_passed_over() -> None:
    found = of_cim(SSH, EQ, EQBD)
    assert found.notes == [
        "passed over: 1.xml: not of equipment"
        " (http://iec.ch/TC57/ns/CIM/SteadyStateHypothesis-EU/3.0)"
    ]
    assert "none in these files; is the EQ profile" in refused_cim(SSH, substation="").text


# --- what is refused


@pytest.mark.parametrize("number", [910, 911, 920])
def test_a_reference_to_a_file_that_is_missing_is_named(number: int) -> None:
    fault = refused_cim(EQ)
    assert fault.text.endswith("which is in none of the files; is one missing, such as EQBD?")
    content = changed(EQBD, (f'rdf:ID="_{mrid(number)}"', f'rdf:ID="_{mrid(990)}"'))
    assert f"refers to {mrid(number)}, which is in none" in refused_cim(EQ, content).text


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (
            f'ConductingEquipment rdf:resource="#_{mrid(400)}"',
            f'ConductingEquipment rdf:resource="#_{mrid(999)}"',
            "Terminal 'T2': Terminal.ConductingEquipment",
        ),
        (
            f'Terminal.ConnectivityNode rdf:resource="#_{mrid(104)}"',
            'Terminal.ConnectivityNode rdf:resource="#_nowhere"',
            "Terminal 'T2': Terminal.ConnectivityNode",
        ),
        (
            f'Substation.Region rdf:resource="#_{mrid(901)}"',
            f'Substation.Region rdf:resource="#_{mrid(901)}"',
            "",
        ),
        (
            f'BaseVoltage rdf:resource="#_{mrid(910)}"',
            'BaseVoltage rdf:resource=""',
            "VoltageLevel 'E1': VoltageLevel.BaseVoltage",
        ),
    ],
)
def test_a_dangling_reference_is_named_with_object_property_and_line(
    before: str, after: str, key: str
) -> None:
    content = changed(EQ, (before, after))
    if not key:
        of_cim(content, EQBD)
        return
    fault = refused_cim(content, EQBD)
    assert (fault.file, fault.key) == ("1.xml", key)
    assert after.partition(" ")[0] in content.decode().splitlines()[fault.line - 1]


def test_a_reference_to_another_class_is_none() -> None:
    node, level = f'ConnectivityNode rdf:resource="#_{mrid(104)}', mrid(11)
    content = changed(EQ, (node, f'ConnectivityNode rdf:resource="#_{level}'), count=99)
    assert (
        "refers to VoltageLevel 'E1'; expected ConnectivityNode" in refused_cim(content, EQBD).text
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (EQ.replace(mrid(901).encode(), mrid(900).encode(), 1), "stands twice"),
        (
            changed(EQ, (f'Breaker rdf:ID="_{mrid(250)}', f'Breaker rdf:ID="_{mrid(260)}')),
            "stands twice; first: 1.xml:",
        ),
        (EQ.replace(b">3.2<", b">3,2<"), "'3,2' is no number"),
        (EQ.replace(b">3.2<", b">nan<"), "'nan' is no number"),
        (EQ.replace(b"sequenceNumber>1<", b"sequenceNumber>one<"), "'one' is no number of an end"),
        (EQ.replace(b"CIM100#", b"CIM17#"), "expected CGMES 2.4.15 (CIM16) or 3.0 (CIM100)"),
        (EQ.replace(b"rdf:RDF", b"rdf:Rdf"), "is not RDF"),
        (EQ.replace(b"22-rdf-syntax-ns", b"22-rdf"), "is not RDF"),
        (
            EQ.replace(b"<cim:Line rdf:ID", b"<cim:Line rdf:nodeID"),
            "no rdf:ID and no rdf:about",
        ),
        (EQ.replace(b"cim:Line ", b"rdf:Description ").replace(b"cim:Line>", b"rdf:Description>"),
         "an object without a class"),
        (EQ.replace(b"ModelDescription/1#", b"DifferenceModel/1#"), "a model of differences"),
        (b'<!DOCTYPE rdf:RDF [<!ENTITY a "b">]>' + EQ[EQ.index(b"<rdf:RDF"):], "document type"),
        (EQ[: len(EQ) // 2], "not XML"),
        (EQ.replace(b">North - South 1<", b">" + b"N" * 2000 + b"<"), "more than 1024 characters"),
        (EQ.replace(b">North - South 1<", b">" + b"N" * 300 + b"<"), "<= 256"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(content: bytes, told: str) -> None:
    assert told in refused_cim(content, EQBD).text


def test_the_same_file_twice_is_refused() -> None:
    fault = refused_cim(EQ, EQBD, EQBD)
    assert "stands twice; first: 2.xml:" in fault.text and fault.file == "3.xml"


def test_lines_of_one_name_are_told_apart() -> None:
    """Parts of one line, or its circuits: tools name them alike."""
    content = changed(EQ, ("North - East", "North - South 1"), count=9)
    bare = re.sub(rb"<cim:TieFlow .*?</cim:TieFlow>", b"", content, flags=re.DOTALL)
    plan = checked(of_cim(bare, EQBD), "EQ.xml")
    named = [line.name for line in (*plan.line, *plan.tie)]
    assert len(set(named)) == len(named) == 2
    assert all(name.startswith("North - South 1 5c1e0000-") for name in named)


def test_buses_of_one_name_are_told_apart_by_the_whole_of_their_mrids() -> None:
    """Tools that count begin all of theirs alike."""
    made = of_cim(EQ, EQBD)
    made.nodes = [node._replace(name="N", bay="B", level="L", place=True) for node in made.nodes]
    plan = checked(made, "EQ.xml")
    assert len({bus.name for bus in plan.bus}) == len(plan.bus) == len(made.nodes)


def test_a_line_of_one_end_is_refused() -> None:
    told = EQ.decode()
    begin = told.index(f'  <cim:Terminal rdf:ID="_{mrid(402)}"')
    end = told.index("</cim:Terminal>", begin) + len("</cim:Terminal>\n")
    fault = refused_cim((told[:begin] + told[end:]).encode(), EQBD)
    assert fault.text == "has 1 terminals; expected 2"
    assert fault.key.startswith("ACLineSegment 'North - South 1'")


def test_a_model_of_buses_and_branches_is_refused_by_name() -> None:
    told = re.sub(r" *<cim:Terminal.ConnectivityNode .*\n", "", EQ.decode())
    told = re.sub(r" *<cim:ConnectivityNode (.*\n)+? *</cim:ConnectivityNode>\n", "", told)
    assert "a model of buses and branches" in refused_cim(told.encode(), EQBD).text


def test_objects_and_octets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, told in (
        ("KEPT_MAX", "more than 20 objects that a plan may need"),
        ("OBJECTS_MAX", "more than 20 objects"),
        ("CIM_BYTES_MAX", "at most 20"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(rdf, limit, 20)
            assert told in refused_cim(EQ, EQBD).text


def test_octets_of_all_files_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdf, "CIM_BYTES_MAX", len(EQ) + 10)
    fault = refused_cim(EQ, EQBD)
    assert fault.file == "2.xml" and "in all" in fault.text


def test_ids_in_every_form_are_one() -> None:
    for told in (
        f"_{mrid(1)}",
        f"#_{mrid(1)}",
        f"urn:uuid:{mrid(1)}",
        f"http://x#_{mrid(1).upper()}",
    ):
        assert rdf.canonical(told) == mrid(1)
    assert Model({}).things == {}
    assert rdf.canonical("#_Line-7") == "Line-7"
