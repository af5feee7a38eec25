"""An SCL file of two substations: what a plan and sources are made of, and what is refused."""

from uuid import UUID, uuid5

import pytest

from drivers.goose import scl as goose
from provisioning.plan import grid, proposal
from tests.provisioning.plan.imported import (
    SCD,
    changed,
    checked,
    mrid,
    of_scl,
    refused_scl,
)

UUIDS = [(f' uuid="{mrid(number)}"', "") for number in (101, 220, 221, 401)]


def test_buses_are_nodes_at_which_something_ends() -> None:
    plan = checked(of_scl(), "grid.scd")
    assert [(bus.name, bus.mrid, bus.nominal_kv) for bus in plan.bus] == [
        ("E1 BB1", mrid(101), 345.0),
        ("E1 L3", mrid(104), 345.0),
        ("E1 T1", mrid(105), 345.0),
        ("D1 BB1", mrid(106), 138.0),
        ("D1 T1", mrid(107), 138.0),
        ("D1 L1", mrid(108), 138.0),
    ]
    assert (plan.site.name, plan.site.nominal_hz, plan.site.rotation) == ("North", 60.0, None)


@pytest.mark.parametrize("node", ["grounded", ""])
def test_a_busbar_with_an_earthing_switch_in_its_bay_is_a_bus(node: str) -> None:
    switch = (
        '<ConductingEquipment name="QC1" type="DIS"><Terminal name="T1"'
        ' connectivityNode="North/E1/W1/BB1" cNodeName="BB1"/><Terminal name="T2"'
        f' connectivityNode="North/E1/W1/{node}" cNodeName="{node}"/></ConductingEquipment>'
    )
    bay = '<Bay name="W1" desc="busbar 1" sxy:x="3" sxy:y="4">'
    switched = switch if node else switch.replace(' connectivityNode="North/E1/W1/"', "")
    plan = checked(of_scl(changed(SCD, (bay, bay + switched))), "grid.scd")
    assert "E1 BB1" in [bus.name for bus in plan.bus]


def test_equipment_has_its_terminals_and_their_buses() -> None:
    plan = checked(of_scl(), "grid.scd")
    told = {
        one.name: (one.kind, [(end.terminal, end.bus) for end in one.terminal])
        for one in plan.equipment
    }
    assert told["E1 Q01 BI1"] == (
        "current-transformer",
        [(mrid(231), ""), (mrid(232), "E1 L3")],  # one side is only between two devices
    )
    assert told["T1"] == ("transformer", [(mrid(301), "E1 T1"), (mrid(302), "D1 T1")])
    assert told["E1 Q01 QE1"] == ("disconnector", [(mrid(246), "E1 L3"), (mrid(247), "")])
    assert told["D1 Q02 East"] == ("other", [(mrid(421), "D1 L1")])  # an infeed: one end


@pytest.mark.parametrize(
    ("substation", "ends"), [("North", ("E1 L3", "")), ("South", ("", "E1 L1"))]
)
def test_a_line_is_seen_from_both_its_ends(substation: str, ends: tuple[str, str]) -> None:
    (line,) = checked(of_scl(substation=substation), "grid.scd").line
    assert (line.name, line.mrid) == ("North - South 1", mrid(400))
    assert (line.from_.bus, line.to.bus) == ends
    assert (line.from_.terminal, line.to.terminal) == (mrid(401), mrid(402))


LINE = f"""  <Substation name="Lines"><VoltageLevel name="E1"><Bay name="Q">
    <ConductingEquipment name="North - South 1" type="LIN" uuid="{mrid(400)}">
      <Terminal name="T1" uuid="{mrid(401)}" connectivityNode="North/E1/Q01/L3"/>
      <Terminal name="T2" uuid="{mrid(402)}" substationName="South" voltageLevelName="E1"
                bayName="Q01" cNodeName="L1"/>
    </ConductingEquipment></Bay></VoltageLevel></Substation>
  <Communication>"""


def test_a_line_in_a_substation_of_its_own_is_the_same() -> None:
    told = SCD.decode()
    begin, end = told.index("  <Line "), told.index("</Line>") + len("</Line>\n")
    content = (told[:begin] + told[end:]).replace("  <Communication>", LINE).encode()
    assert checked(of_scl(content), "x") == checked(of_scl(), "x")
    # and is nobody's site
    fault = refused_scl(content, substation="")
    assert fault.text == "2 of them; say which by --substation NAME: 'North', 'South'"


def test_ieds_of_the_substation_and_what_they_send() -> None:
    found = of_scl()
    assert [(one.name, one.make, one.model, one.address) for one in found.devices] == [
        ("NE1Q01F1", "Relay Works", "Distance 7", "192.0.2.11"),
        ("NE1Q01MU1", "Merging & Sons", "MU 6", "192.0.2.12"),
    ]
    relay, unit = found.proposals
    assert (relay.name, relay.scheme, relay.says) == (
        *("NE1Q01F1-goose", "goose", "NE1Q01F1LD0/LLN0$GO$gcb01"),
    )
    assert relay.options == {"interface": "eth1", "scl": "grid.scd", "ied": "NE1Q01F1"}
    assert unit.options == {
        "interface": "eth1",
        "svid": ["NE1Q01MU1"],
        "appid": [0x4011],
        "groups": ["01-0C-CD-04-00-11"],
        "rate": 80 * 60,
    }
    assert 'ied = "NE1Q01F1"\n' in proposal.toml(found.proposals)
    assert found.notes == []


def test_one_ied_alone() -> None:
    found = of_scl(ied="SE1Q01F1")
    assert [one.name for one in found.devices] == ["SE1Q01F1"]
    fault = refused_scl(SCD, ied="NE1")
    assert fault.key == "IED" and "'NE1' is there 0 times; there are 'NE1Q01F1'" in fault.text


def test_a_cid_without_a_substation_gives_its_device_and_sources() -> None:
    told = SCD.decode()
    begin, end = told.index("  <Substation"), told.index("  <Communication>")
    content = (told[:begin] + told[end : told.index("  <Line ")] + "</SCL>").encode()
    found = of_scl(content, substation="", ied="NE1Q01MU1")
    plan = checked(found, "unit.cid")
    assert (plan.site.name, plan.bus, plan.line) == ("NE1Q01MU1", [], [])
    (unit,) = found.proposals
    assert "rate" not in unit.options  # 80 a period, and nobody says of what


def test_samples_a_second_need_no_frequency() -> None:
    content = changed(SCD, ('smpRate="80"', 'smpRate="4800" smpMod="SmpPerSec"'))
    assert of_scl(content).proposals[1].options["rate"] == 4800


def test_another_data_set_is_to_be_stated() -> None:
    member = '<FCDA ldInst="MU01" lnClass="TVTR" lnInst="4" doName="VolSv" fc="MX"/>'
    (note,) = of_scl(changed(SCD, (member, ""))).notes
    assert note.startswith("NE1Q01MU1/MU01/MSVCB01: 7 members; other than 9-2LE's eight pairs")


# --- mRIDs


def test_mrids_that_are_not_stated_are_made_of_the_path() -> None:
    """And so are the same whenever the file is imported again."""
    content = changed(SCD, *UUIDS)
    found = of_scl(content)
    plan = checked(found, "grid.scd")
    assert plan.bus[0].mrid == str(uuid5(grid.NAMESPACE, "node:grid-demo/North/E1/W1/BB1"))
    breaker = next(one for one in plan.equipment if one.name == "E1 Q01 QA1")
    path = "grid-demo/North/E1/Q01/QA1"
    assert breaker.mrid == str(uuid5(grid.NAMESPACE, f"equipment:{path}"))
    assert breaker.terminal[0].terminal == str(uuid5(grid.NAMESPACE, f"terminal:{path}/T1"))
    assert {UUID(bus.mrid).version for bus in plan.bus[:1]} == {5}
    assert checked(of_scl(content), "grid.scd") == plan
    assert found.notes[0].startswith("4 mRIDs are made of names")
    other = changed(content, ('id="grid-demo"', 'id="another"'))
    assert checked(of_scl(other), "grid.scd").bus[0].mrid != plan.bus[0].mrid


# --- what is refused


@pytest.mark.parametrize(
    ("before", "after", "key", "told"),
    [
        (
            'connectivityNode="North/E1/Q01/L2"',
            'connectivityNode="North/E1/Q01/L9"',
            "Terminal North/E1/Q01/QA1/T2",
            "names ConnectivityNode 'North/E1/Q01/L9', which is not in the file",
        ),
        (
            '<ConnectivityNode name="L2"',
            '<ConnectivityNode name="L1"',
            "North/E1/Q01/L1",
            "stands twice",
        ),
        (
            'pathName="North/E1/Q01/L2"',
            'pathName="North/E1/Q01/L7"',
            "North/E1/Q01/L2",
            "pathName 'North/E1/Q01/L7', and it stands at 'North/E1/Q01/L2'",
        ),
        ('<Substation name="South"', '<Substation name="North"', "", "stands twice"),
        (mrid(101), "5c1e-101", "bus[0].mrid", "'5c1e-101' is no mRID"),
        (mrid(104), mrid(101), "bus[1].mrid", "stands 2 times"),
        (mrid(221), mrid(220), "equipment[2].terminal[0].terminal", "of equipment 'E1 Q01 QA1'"),
        (">345<", ">three<", "Voltage of E1", "'three' is no number"),
        (">345<", ">1e999<", "Voltage of E1", "is no number"),
        (">345<", ">-345<", "bus[0].nominal_kv", "> 0"),
        ('multiplier="k"', 'multiplier="da"', "Voltage of E1", "multiplier 'da'; known:"),
        ('nomFreq="60"', 'nomFreq="sixty"', "nomFreq of E1", "is no number"),
        ("01-0C-CD-04-00-11", "01-0C-CD-04", "NE1Q01MU1/MU01/MSVCB01", "MAC-Address"),
        (">4011<", ">40111111<", "NE1Q01MU1/MU01/MSVCB01", "APPID '40111111' is none"),
        ('smpRate="80"', 'smpRate="-80"', "NE1Q01MU1/MU01/MSVCB01", "smpRate '-80'"),
        ('datSet="PhsMeas1"', 'datSet="Phs"', "NE1Q01MU1/MU01/MSVCB01", "'Phs' is not there"),
        ('datSet="dsTrip"', 'datSet="ds"', "NE1Q01F1LD0/LLN0$GO$gcb01", "'ds' is not there"),
        ("01-0C-CD-01-00-11", "01", "NE1Q01F1LD0/LLN0$GO$gcb01", "MAC-Address '01' is none"),
        ("2003/SCL", "2099/SCL", "SCL", "expected 'http://www.iec.ch/61850/2003/SCL'"),
        ('name="BB1" uuid', f'name="{"B" * 300}" uuid', "", ""),
    ],
)
def test_what_is_wrong_is_named(before: str, after: str, key: str, told: str) -> None:
    fault = refused_scl(changed(SCD, (before, after)))
    assert fault.file == "grid.scd"
    assert told in fault.text
    assert fault.key == key or not key


def test_a_fault_is_told_with_its_line() -> None:
    content = changed(SCD, ('connectivityNode="North/E1/Q01/L2"', 'connectivityNode="North/x"'))
    lines = content.decode().splitlines()
    assert "North/x" in lines[refused_scl(content).line - 1]


def test_which_substation_is_asked_for() -> None:
    fault = refused_scl(SCD, substation="Nort")
    assert (fault.key, fault.text) == (
        "Substation",
        "'Nort' is there 0 times; there are 'North', 'South'",
    )


def test_what_is_no_scl_file_is_refused() -> None:
    fault = refused_scl(b"<RDF/>")
    assert fault.text == "not an SCL file"
    assert "document type" in refused_scl(b"<!DOCTYPE SCL><SCL/>").text
    assert goose.SCL_BYTES_MAX < 200 << 20
