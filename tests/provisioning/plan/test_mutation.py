"""Files of other people, damaged: whatever comes, an import makes a plan or says ConfigError."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.goose import scl as goose
from evidence import siteplan
from evidence.config import ConfigError
from provisioning.plan import cim, grid, scl, text
from provisioning.plan.rdf import Model
from tests.provisioning.plan.imported import EQ, EQBD, OLD_EQ, OLD_EQBD, SCD

TOKEN = re.compile(rb'"[^"]*"|>[^<>]+<|</?[\w:.]+|[\w:.]+=')
WORDS = [b'""', b"><", b'"-1"', b'"grounded"', b">nan<", b">9e999<", b"\xff", b"<x:y", b"&a;", b"<"]


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Tokens of a file taken out, put twice, exchanged with others of it, or with odd ones."""
    places = [match.span() for match in TOKEN.finditer(content)]
    for _ in range(draw(st.integers(1, 4))):
        begin, end = draw(st.sampled_from(places))
        other = draw(st.sampled_from(places))
        piece = draw(
            st.sampled_from([b"", content[begin:end] * 2, content[slice(*other)], *WORDS])
            | st.binary(max_size=4)
        )
        content = content[:begin] + piece + content[end:]
        places = [match.span() for match in TOKEN.finditer(content)]
    return content


def made(found: grid.Found, file: str) -> None:
    """What an import gives out is what the reader takes."""
    plan = grid.plan(found)
    assert siteplan.read(text.checked(plan, text.written(plan), file), file) == plan


@given(damaged(SCD), st.sampled_from(["", "North", "South"]))
@settings(max_examples=250)
def test_a_damaged_scl_file(content: bytes, substation: str) -> None:
    try:
        made(scl.found(goose.tree((content,), "x.scd"), "x.scd", substation), "x.scd")
    except ConfigError as fault:
        assert fault.file == "x.scd"


@given(
    st.sampled_from([(EQ, EQBD), (OLD_EQ, OLD_EQBD)]).flatmap(
        lambda files: st.tuples(damaged(files[0]), st.just(files[1]))
    ),
    st.sampled_from(["", "North", "South"]),
)
@settings(max_examples=200)
def test_a_damaged_model(contents: tuple[bytes, bytes], substation: str) -> None:
    try:
        model = Model(cim.ASKED)
        for content in contents:
            model.add((content,), "x.xml")
        made(cim.found(model, substation), "x.xml")
    except ConfigError as fault:
        assert fault.file in ("x.xml", "CIM")
