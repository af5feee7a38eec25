"""An SCL file (IEC 61850-6), and the data sets that are made of it.

1. What is made of a file can be encoded, read back and compiled.
"""

from random import Random

from drivers.goose import scl, wire
from evidence.config import ConfigError
from hil.fuzz import text
from hil.fuzz.target import Piece, Target

_ENDINGS = (".scd", ".cid", ".icd", ".xml", ".iid")
NESTED = 1_000
# A file is read once, when a gateway starts: a control block takes 200 us, and the longest case has
# a thousand and more of them.
FILE_NS_MAX = 500_000_000

_FILE = b"""<?xml version="1.0" encoding="UTF-8"?>
<SCL xmlns="http://www.iec.ch/61850/2003/SCL" version="2007" revision="B">
 <Communication><SubNetwork name="bus"><ConnectedAP iedName="IED1" apName="P1">
  <GSE ldInst="LD0" cbName="gcb1"><Address>
   <P type="MAC-Address">01-0C-CD-01-00-01</P><P type="APPID">0001</P>
   <P type="VLAN-ID">00A</P><P type="VLAN-PRIORITY">4</P></Address></GSE>
 </ConnectedAP></SubNetwork></Communication>
 <IED name="IED1"><AccessPoint name="P1"><Server><LDevice inst="LD0">
  <LN0 lnClass="LLN0" inst="" lnType="LLN0_T">
   <DataSet name="ds1">
    <FCDA ldInst="LD0" prefix="" lnClass="XCBR" lnInst="1" doName="Pos" fc="ST"/>
    <FCDA ldInst="LD0" lnClass="XCBR" lnInst="1" doName="Pos" daName="stVal" fc="ST"/>
    <FCDA ldInst="LD0" lnClass="XCBR" lnInst="1" doName="Amp" daName="mag.f" fc="MX"/>
    <FCDA ldInst="LD0" lnClass="XCBR" lnInst="1" doName="Har" daName="har" fc="MX" ix="2"/>
   </DataSet>
   <GSEControl name="gcb1" datSet="ds1" appID="gcb1" confRev="1" type="GOOSE"/>
   <GSEControl name="gcb2" appID="gcb2"/>
  </LN0>
  <LN lnClass="XCBR" inst="1" lnType="XCBR_T"/>
 </LDevice></Server></AccessPoint></IED>
 <DataTypeTemplates>
  <LNodeType id="LLN0_T" lnClass="LLN0"/>
  <LNodeType id="XCBR_T" lnClass="XCBR"><DO name="Pos" type="DPC_T"/><DO name="Amp" type="MV_T"/>
   <DO name="Har" type="HAR_T"/></LNodeType>
  <DOType id="DPC_T" cdc="DPC"><DA name="stVal" bType="Dbpos" fc="ST"/>
   <DA name="q" bType="Quality" fc="ST"/><DA name="t" bType="Timestamp" fc="ST"/>
   <SDO name="sub" type="MV_T"/></DOType>
  <DOType id="MV_T" cdc="MV"><DA name="mag" bType="Struct" type="AV_T" fc="MX"/></DOType>
  <DOType id="HAR_T" cdc="HMV">
   <DA name="har" bType="Struct" type="AV_T" count="4" fc="MX"/></DOType>
  <DAType id="AV_T"><BDA name="f" bType="FLOAT32"/><BDA name="i" bType="INT32"/></DAType>
 </DataTypeTemplates>
</SCL>
"""
_SMALL = b'<SCL><IED name="a"/></SCL>'


def _read(raw: bytes) -> None:
    """As the driver does; rule 1."""
    for block in scl.blocks(raw, "file.scd"):
        encoded = block.dataset.encode()
        if wire.decode_configuration(encoded) != block.dataset:
            raise ValueError("a data set that is read back as another")
        wire.compiled(encoded)


_BOMBS = (
    b'<!DOCTYPE SCL [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>',
    b'<?xml version="1.0" encoding="utf-7"?>',
    b'<?xml version="1.0" encoding="x-none"?>',
    b'<?xml version="1.0" encoding="shift_jis"?>',
    b"<DataSet>" * NESTED, b"<DataSet>" * NESTED + b"</DataSet>" * NESTED,
    b' count="4096"', b' count="4095"', b' bType="Struct" type="AV_T"',
    b'<BDA name="x" bType="Struct" type="AV_T" count="4000"/>' * 12,
    b'<BDA name="x" bType="Struct" type="MV_T"/>',
    b'<SDO name="y" type="DPC_T"/>' * 12,
    b'<SDO name="z" type="DPC_T" count="4000"/>',
    b'<FCDA ldInst="LD0" lnClass="XCBR" lnInst="1" doName="Pos" fc="ST"/>' * 700,
    b'<GSEControl name="g" datSet="ds1" appID="g"/>' * 1_000,
    b"&#x10FFFF;", b"&undefined;", b"\x00", b"\xff\xfe", b"<!--", b"]]>", b"<![CDATA[",
)  # fmt: skip


def _vary(chance: Random, raw: bytes) -> bytes:
    """Elements of this kind elsewhere; else a word or a line."""
    if chance.random() < 0.4:
        closing = [at for at in range(len(raw)) if raw[at : at + 1] == b">"]
        if closing:
            at = chance.choice(closing) + chance.choice((0, 1))
            return raw[:at] + chance.choice(_BOMBS) + raw[at:]
    return text.vary(chance, raw)


def _takes(piece: Piece) -> bool:
    return piece.kind == "file" and piece.label.lower().endswith(_ENDINGS)


def target() -> Target:
    """drivers.goose.scl and what is made of it."""
    return Target(
        {"file": _read},
        ConfigError,
        (_FILE, _SMALL),
        _takes,
        vary=_vary,
        tokens=_BOMBS,
        cpu_ns_max=FILE_NS_MAX,
    )
