"""XML of other people's: what is refused before anything is built of it, and that it is named."""

import pytest

from drivers import markup
from drivers.markup import Bounds
from evidence.config import ConfigError

SPACE = "urn:ours"
BOUNDS = Bounds(1 << 20, 1000, 100_000)
BOMB = b"""<!DOCTYPE a [<!ENTITY x0 "ha"><!ENTITY x1 "&x0;&x0;&x0;"><!ENTITY x2 "&x1;&x1;&x1;">]>
<a>&x2;</a>"""


def tree(*pieces: bytes, bounds: Bounds = BOUNDS, passed: tuple[str, ...] = ()) -> markup.Node:
    return markup.tree(pieces, "file.xml", bounds, SPACE, passed)


def refused(*pieces: bytes, bounds: Bounds = BOUNDS) -> ConfigError:
    with pytest.raises(ConfigError) as found:
        tree(*pieces, bounds=bounds)
    assert found.value.file == "file.xml"
    return found.value


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        b'<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>',
        b"<!DOCTYPE a>\n<a/>",
    ],
)
def test_a_document_type_is_refused_where_it_begins(content: bytes) -> None:
    fault = refused(content)
    assert (fault.key, fault.line) == ("DOCTYPE", 1)
    assert "entities are not read" in fault.text


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_pieces_of_any_size_make_the_same(size: int) -> None:
    content = b'<a xmlns="urn:ours">\n <b k="v&amp;w">t\xc3\xa9xt</b>\n <b/>\n</a>'
    root = tree(*(content[at : at + size] for at in range(0, len(content), size)))
    assert [(node.tag, node.attrib, node.text) for node in root] == [
        ("b", {"k": "v&w"}, "téxt"),
        ("b", {}, None),
    ]
    assert [getattr(node, "line", 0) for node in root.iter()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<a>\u00e9\u0416</a>".encode("utf-8-sig"), "é\u0416"),
        ("<a>\u00e9\u0416</a>".encode("utf-16"), "é\u0416"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>\u00e9</a>'.encode("latin-1"), "é"),
        ('<?xml version="1.0" encoding="windows-1251"?><a>\u0416</a>'.encode("cp1251"), "\u0416"),
    ],
)
def test_encodings_that_files_are_in(content: bytes, text: str) -> None:
    assert tree(content).text == text


@pytest.mark.parametrize(
    ("content", "key", "told"),
    [
        (b'<?xml version="1.0" encoding="x-none"?><a/>', "encoding", "x-none"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "encoding", "multi-byte"),
        (b"<a>\xff</a>", "", "not XML"),
        (b"<a>\xc3</a>", "", "not XML"),
        (b"", "", "not XML: no element found"),
        (b"   ", "", "not XML"),
        (b"<a>", "", "not XML: no element found"),
        (b"<a></b>", "", "not XML: mismatched tag"),
        (b"<a/><a/>", "", "not XML: junk"),
        (b'<a k="1" k="2"/>', "", "not XML: duplicate attribute"),
        (b"<a>&undefined;</a>", "", "not XML: undefined entity"),
        (b"<a>\x00</a>", "", "not XML"),
        (b"\x1f\x8b\x08\x00", "", "not XML"),
        (b'<a xmlns="urn:theirs"/>', "a", "is of 'urn:theirs'; expected 'urn:ours'"),
        (b"<x:a/>", "", "not XML: unbound prefix"),
    ],
)
def test_what_is_wrong_is_named(content: bytes, key: str, told: str) -> None:
    fault = refused(content)
    assert fault.key == key
    assert told in fault.text


def test_depth_is_bounded() -> None:
    most = markup.DEPTH_MAX
    assert tree(b"<a>" * most + b"</a>" * most).tag == "a"
    fault = refused(b"<a>\n" * (most + 1))
    assert (fault.line, fault.text) == (most + 1, f"elements nested deeper than {most}")
    # also in what is passed over
    deep = b'<a xmlns:t="urn:t">' + b"<t:x>" * most
    assert "nested deeper" in refused(deep).text


def test_octets_are_bounded_however_they_come() -> None:
    def endless():
        yield b"<a>"
        while True:
            yield b"<b/>" * 1000

    with pytest.raises(ConfigError, match="at most 5000"):
        markup.tree(endless(), "file.xml", Bounds(5000, 10**6, 10**6), SPACE)


def test_what_is_kept_is_bounded() -> None:
    content = b"<a>" + b"<b>four</b>" * 10 + b"</a>"
    assert len(tree(content, bounds=Bounds(1000, 11, 40))) == 10
    assert "more than 10 elements" in refused(content, bounds=Bounds(1000, 10, 40)).text
    assert "more than 39 characters" in refused(content, bounds=Bounds(1000, 11, 39)).text
    attributes = b"<a>" + b'<b k="four"/>' * 10 + b"</a>"
    assert "more than 39 characters" in refused(attributes, bounds=Bounds(1000, 11, 39)).text
    # what is passed over is not kept
    assert len(tree(content, bounds=Bounds(1000, 1, 0), passed=("b",))) == 0


@pytest.mark.parametrize(
    "names", ["<a{0}/>", "<b c{0}='' d{0}=''/>", "<o:p{0} xmlns:o='o'/>", "<b xmlns:o='u{0}'/>"]
)
def test_different_names_are_bounded_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    """The parser forgets none, of whatever namespace: a file of nothing else fills the memory."""
    monkeypatch.setattr(markup, "NAMES_MAX", 100)
    content = "<a>" + "".join(names.format(at) for at in range(110)) + "</a>"
    assert "more than 100 different names" in refused(content.encode()).text
    tree(f"<a>{names.format(1) * 200}</a>".encode())


def test_attributes_are_bounded_whatever_they_are_called() -> None:
    row = "<b " + " ".join(f"c{at}=''" for at in range(20)) + "/>"
    few = BOUNDS._replace(elements_max=10)
    assert "more than 80 attributes" in refused(f"<a>{row * 5}</a>".encode(), bounds=few).text
    tree(f"<a>{row * 4}</a>".encode(), bounds=few)


@pytest.mark.parametrize("begin", [b'<a k="', b"<a><!--", b"<a><?pi ", b"<a><b "])
def test_a_tag_that_never_ends_is_not_waited_for(begin: bytes) -> None:
    """Expat would keep all of it."""
    seen = 0

    def endless():
        nonlocal seen
        yield begin
        while True:
            seen += 1 << 16
            yield b" " * (1 << 16)

    with pytest.raises(ConfigError, match="a tag or comment of more than"):
        markup.tree(endless(), "file.xml", Bounds(1 << 30, 10, 10**9), SPACE)
    assert seen < 3 * markup.TAG_BYTES_MAX


def test_another_namespace_is_passed_over() -> None:
    content = b"""<a xmlns="urn:ours" xmlns:t="urn:theirs" t:k="1" k="2">
      <t:b><b>not ours: it is in theirs</b></t:b><b>ours</b></a>"""
    root = tree(content)
    assert root.attrib == {"k": "2"}
    assert [(node.tag, node.text) for node in root] == [("b", "ours")]
