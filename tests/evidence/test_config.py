"""Each kind of wrong configuration is named: file, line, key, found, expected, nearest."""

import time
from typing import Annotated, Literal

import msgspec
import pytest

from evidence import config
from evidence.config import ConfigError


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    baud: Annotated[int, msgspec.Meta(ge=300)] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    pair: tuple[int, int] | None = None
    password: int | None = None


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    line: Line | None = None
    sub: list[Line] = []
    share: float = 0.5


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    item: list[Item]
    top: Line = Line()
    options: dict[str, Line] = {}


GOOD = """\
# what a comment says: [item] name = 5
[[item]]
name = "one"
[item.line]
baud = 9600
parity = "none"
[[item.sub]]
baud = 300
[[item.sub]]
baud = 1200

[[item]] # the second
name = "two"
line.baud = 9600
"share" = 0.25
[[item.sub]]
baud = 4800
pair = [
  1,
  2,
]

[top]
baud = 600
[options.a]
baud = 600
"""


def read(text):
    return config.read(text, File, "file.toml")


def test_what_is_right_is_read():
    found = read(GOOD)
    assert [item.name for item in found.item] == ["one", "two"]
    assert found.item[1].sub[0].pair == (1, 2)
    assert found.options["a"].baud == 600


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "told"),
    [
        ("baud = 300", "buad = 300", 8, "item[0].sub[0].buad", "did you mean 'baud'?"),
        ("baud = 1200", "boud = 1200", 10, "item[0].sub[1].boud", "did you mean 'baud'?"),
        ("baud = 4800", "bau = 4800", 17, "item[1].sub[0].bau", "did you mean 'baud'?"),
        ("line.baud = 9600", "line.bd = 9600", 14, "item[1].line.bd", "unknown; did you mean"),
        ("line.baud = 9600", "line.xyz = 9600", 14, "item[1].line.xyz", "known: baud, pair, par"),
        ('"share" = 0.25', '"shore" = 0.25', 15, "item[1].shore", "did you mean 'share'?"),
        ("[top]", "[tops]", 23, "tops", "did you mean 'top'?"),
        ("[item.line]", "[item.lines]", 4, "item[0].lines", "did you mean 'line'?"),
        ("[options.a]\nbaud", "[options.a]\nboud", 26, "options[...].boud", "did you mean 'baud'?"),
        (
            "baud = 1200",
            'baud = "1200"',
            10,
            "item[0].sub[1].baud",
            "`int`, got `str`; found '1200'",
        ),
        ("baud = 1200", "baud = 12", 10, "item[0].sub[1].baud", ">= 300; found 12"),
        ("baud = 1200", "baud = 1200.0", 10, "item[0].sub[1].baud", "found 1200.0"),
        ("baud = 1200", "baud = true", 10, "item[0].sub[1].baud", "got `bool`; found True"),
        ('"none"', '"nome"', 6, "item[0].line.parity", "'nome' is unknown; did you mean 'none'?"),
        ('"none"', '"mark"', 6, "item[0].line.parity", "known: even, none, odd"),
        ("  1,\n", "", 18, "item[1].sub[0].pair", "length 2"),
        ("  2,\n", '  "2",\n', 18, "item[1].sub[0].pair[1]", "found '2'"),
        ("0.25", '"much"', 15, "item[1].share", "`float`, got `str`"),
        ('name = "two"\n', "", 12, "item[1]", "missing required field `name`"),
        ("[[item]] # the second", "[[item]]\n[[item]]", 12, "item[1]", "missing required field"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(old, new, line, key, told):
    changed = GOOD.replace(old, new, 1)
    assert changed != GOOD
    with pytest.raises(ConfigError) as fault:
        read(changed)
    assert told in fault.value.text
    assert (fault.value.file, fault.value.line) == ("file.toml", line)
    assert fault.value.key.startswith(key)
    assert str(fault.value).startswith(f"file.toml:{line}: {key}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[[item]]\nname = one", 2),
        ("[[item]]\nname = 'a'\nname = 'b'\n", 3),
        ("a = 1979-13-01", 1),
        ("a = \x00", 1),
        ("a = " + "[" * 5000, 0),
        ("a = " + "9" * 5000, 0),
        ("a = '", 0),
        ("[a]\n[a]\n", 2),
        ("x" * (config.CONFIG_BYTES_MAX + 1), 0),
    ],
)
def test_what_is_no_toml_is_named_with_its_line(text, line):
    with pytest.raises(ConfigError) as fault:
        read(text)
    assert (fault.value.file, fault.value.key) == ("file.toml", "")
    assert fault.value.line in (0, line)
    assert len(str(fault.value)) < 300


def test_a_whole_table_missing_is_named():
    with pytest.raises(ConfigError, match=r"^file\.toml: Object missing required field `item`$"):
        read("[top]\nbaud = 600\n")


def test_a_secret_is_not_quoted():
    with pytest.raises(ConfigError) as fault:
        read(GOOD.replace("[top]", '[top]\npassword = "hunter2"'))
    assert fault.value.key == "top.password"
    assert "hunter2" not in str(fault.value)
    with pytest.raises(ConfigError) as fault:
        read(GOOD.replace("[top]", '[top]\npasswort = "hunter2"'))
    assert "did you mean 'password'?" in str(fault.value)
    assert "hunter2" not in str(fault.value)


def test_a_long_value_is_not_quoted_whole():
    with pytest.raises(ConfigError) as fault:
        read(GOOD.replace("baud = 1200", f'baud = "{"1" * 10_000}"'))
    assert len(str(fault.value)) < 300


@pytest.mark.parametrize("part", ["a", " a ", '"a"', '"\\""', "'a'"])
@pytest.mark.parametrize("form", ["k{} = 1", "[k{}]", "k = {{k{} = 1}}"])
def test_a_key_of_very_many_parts_is_refused_at_once(part: str, form: str) -> None:
    """tomllib would take hours: its time grows with the square of the parts."""
    text = "# plan\n" + form.format(f".{part}" * 200_000)
    begun = time.monotonic()
    with pytest.raises(ConfigError, match="f:2: a name of 32 parts or more"):
        config.read(text, msgspec.defstruct("Kind", []), "f")
    assert time.monotonic() - begun < 5
