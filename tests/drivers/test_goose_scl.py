"""SCL files: what is named and typed by them, and what is refused."""

import re
from pathlib import Path

import pytest

from drivers.goose import scl
from drivers.goose.dataset import decode_configuration
from evidence.config import ConfigError

BAY = (Path(__file__).resolve().parent.parent / "vectors" / "goose" / "bay.cid").read_bytes()
FIRST, SECOND = "IED1LD0/LLN0$GO$gcb01", "IED1LD0/LLN0$GO$gcb02"


def of(reference: str, content: bytes = BAY) -> scl.Block:
    (found,) = scl.blocks(content, "bay.cid", reference=reference)
    return found


def changed(before: str, after: str) -> bytes:
    text = BAY.decode()
    assert before in text
    return text.replace(before, after).encode()


def refused(content: bytes) -> ConfigError:
    with pytest.raises(ConfigError) as found:
        scl.blocks(content, "bay.cid")
    return found.value


def test_control_blocks():
    """GOOSE ones; GSSE is another protocol."""
    found = scl.blocks(BAY, "bay.cid")
    assert [block.dataset.gocbRef for block in found] == [FIRST, SECOND]
    first, second = found
    assert first.dataset[:4] == (FIRST, "IED1LD0/LLN0$dsTrip", "TRIP", 3)
    assert first.destination == bytes.fromhex("010ccd010007")
    assert first[3:] == (0x3001, 10, 4)
    assert second[2:] == (None, None, None, None)
    assert scl.blocks(BAY, "bay.cid", ied="IED2") == []


def test_members_are_named_and_typed():
    assert [(leaf.name, leaf.type, leaf.btype) for leaf in of(FIRST).dataset.leaves()] == [
        ("IED1LD0/Q0XCBR1.Pos.stVal", "bit-string", "Dbpos"),
        ("IED1LD0/Q0XCBR1.Pos.q", "bit-string", "Quality"),
        ("IED1LD0/MMXU1.A.phsB.cVal.mag.f", "floating-point", "FLOAT32"),
        ("IED1LD0/PTRC1.Tr.general", "boolean", "BOOLEAN"),
        ("IED1LD0/PTRC1.Tr.q", "bit-string", "Quality"),
        ("IED1LD0/PTRC1.Tr.t", "utc-time", "Timestamp"),
    ]


def test_whole_objects_arrays_and_a_device_with_a_name_of_its_own():
    assert [leaf.name for leaf in of(SECOND).dataset.leaves()] == [
        "MEAS/MMXU1.A.phsA.cVal.mag.f",
        "MEAS/MMXU1.A.phsA.q",
        "MEAS/MMXU1.A.phsB.cVal.mag.f",
        "MEAS/MMXU1.A.phsB.q",
        "MEAS/MHAI1.Hm.har[2].f",
        "MEAS/MHAI1.Hm.har[0].f",
        "MEAS/MHAI1.Hm.har[1].f",
        "MEAS/MHAI1.Hm.har[2].f",
    ]


HARMONICS = """<LNodeType id="MHAI_1" lnClass="MHAI"><DO name="Hm" type="H"/></LNodeType>
    <DOType id="H" cdc="HWYE"><SDO name="har" type="CMV_1" count="2"/></DOType>"""
NO_HARMONICS = '<LNodeType id="MHAI_1" lnClass="MHAI"><DO name="Hm" type="HWYE_1"/></LNodeType>'


def test_an_array_of_objects_whole_and_one_of_it():
    members = (
        'doName="Hm" daName="har" ix="2"',
        'doName="Hm" daName="har"',
    )
    content = changed(NO_HARMONICS, HARMONICS)
    content = content.replace(members[0].encode(), b'doName="Hm.har" ix="1"')
    content = content.replace(members[1].encode(), b'doName="Hm.har"')
    _, one, whole = of(SECOND, content).dataset.members
    assert (one.name, one.type) == ("MEAS/MHAI1.Hm.har[1]", "structure")
    assert (whole.name, whole.type) == ("MEAS/MHAI1.Hm.har", "array")
    assert [leaf.name for leaf in of(SECOND, content).dataset.leaves()][4:] == [
        "MEAS/MHAI1.Hm.har[1].cVal.mag.f",
        "MEAS/MHAI1.Hm.har[1].q",
        "MEAS/MHAI1.Hm.har[0].cVal.mag.f",
        "MEAS/MHAI1.Hm.har[0].q",
        "MEAS/MHAI1.Hm.har[1].cVal.mag.f",
        "MEAS/MHAI1.Hm.har[1].q",
    ]


def test_what_they_measure():
    told = {leaf.name.rpartition("/")[2]: leaf for leaf in of(FIRST).dataset.leaves()}
    assert told["Q0XCBR1.Pos.stVal"].quantity == "digital"
    assert told["MMXU1.A.phsB.cVal.mag.f"].quantity == "analog"
    assert told["PTRC1.Tr.q"][2:4] == ("other", "quality")
    assert told["PTRC1.Tr.t"][2:4] == ("other", "time")


def test_the_data_set_survives_its_bytes():
    for reference in (FIRST, SECOND):
        dataset = of(reference).dataset
        assert decode_configuration(dataset.encode()) == dataset


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not XML"),
        (b"<SCL>", "not XML"),
        (b"<html/>", "not an SCL file"),
        (changed('doName="Tr"', 'doName="Op"'), "'Op' is not in type 'PTRC_1'"),
        (changed('daName="q"', 'daName="qq"'), "'qq' is not in type 'DPC_1'"),
        (changed('lnClass="PTRC" lnInst="1"', 'lnClass="PTRC" lnInst="2"'), "not there"),
        (changed('id="ACT_1"', 'id="ACT_2"'), "'ACT_1' is not among the DataTypeTemplates"),
        (changed('bType="Dbpos"', 'bType="Float"'), "bType 'Float' is unknown"),
        (changed('<DataSet name="dsTrip">', '<DataSet name="ds">'), "'dsTrip' is not there"),
        (changed('doName="Tr" fc="ST"', 'doName="Tr" fc="SP"'), "the constraint 'SP'"),
        (changed(">3001<", ">30011<"), "'30011' is no number up to 65535"),
        (changed("01-0C-CD-01-00-07", "01-0C-CD"), "MAC-Address '01-0C-CD' is none"),
        (changed('confRev="3"', 'confRev="-3"'), "'-3' is no number"),
        (changed('count="3"', 'count="99999"'), "'99999' is no number up to"),
        (
            changed('<BDA name="f" bType="FLOAT32"/>', '<BDA name="f" bType="Struct" type="X"/>'),
            "'X' is not among",
        ),
    ],
)
def test_what_is_wrong_is_named(content: bytes, told: str):
    assert told in str(refused(content))


def test_types_that_contain_themselves_end():
    content = changed(
        '<BDA name="f" bType="FLOAT32"/>', '<BDA name="f" bType="Struct" type="AnalogueValue_1"/>'
    )
    assert "nested deeper" in str(refused(content))
    objects = changed('<SDO name="phsA" type="CMV_1"/>', '<SDO name="phsA" type="WYE_1"/>')
    assert "nested deeper" in str(refused(objects))


def test_types_that_multiply_are_bounded():
    """A hundred of a hundred of a hundred, in a file of a few lines."""
    layers = "".join(
        f'<DAType id="L{at}"><BDA name="x" bType="Struct" type="L{at + 1}" count="100"/></DAType>'
        for at in range(4)
    )
    content = changed('<DAType id="Vector_1">', f"{layers}<DAType id='L4'/><DAType id='Vector_1'>")
    content = re.sub(rb'type="AnalogueValue_1" count="3"', b'type="L0" count="100"', content)
    assert "more than 4096 members" in str(refused(content))
    layers = "".join(
        f'<DAType id="L{at}">'
        + "".join(f'<BDA name="x{n}" bType="Struct" type="L{at + 1}"/>' for n in range(50))
        + "</DAType>"
        for at in range(5)
    )
    content = changed('<DAType id="Vector_1">', f"{layers}<DAType id='L5'/><DAType id='Vector_1'>")
    content = content.replace(b'type="AnalogueValue_1" count="3"', b'type="L0"')
    assert "more than 4096 members" in str(refused(content))


BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE SCL [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<SCL>&b;</SCL>"""


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        b'<!DOCTYPE SCL SYSTEM "http://192.0.2.1/scl.dtd"><SCL/>',
        b'<!DOCTYPE SCL [<!ENTITY a SYSTEM "file:///etc/passwd">]><SCL>&a;</SCL>',
    ],
)
def test_entities_are_refused(content: bytes):
    assert "entities are not read" in str(refused(content))


def test_size_and_number_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scl, "SCL_BYTES_MAX", 100)
    assert "at most 100" in str(refused(BAY))
    monkeypatch.undo()
    monkeypatch.setattr(scl, "ELEMENTS_MAX", 20)
    assert "more than 20 elements" in str(refused(BAY))
