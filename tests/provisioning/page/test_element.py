"""Text that a device, a file or a person said stays text: on the page of provisioning, and on that
of the record, which may not import it and does the same."""

import inspect
from types import ModuleType

import pytest

from provisioning.page import element as provisioned
from record.page import element as recorded

both = pytest.mark.parametrize("of", [provisioned, recorded], ids=["provisioning", "record"])


@both
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<script>", "&lt;script&gt;"),
        ("a\x1b[31m\x00", "a\\u001b[31m\\u0000"),
        ("\u202eabc", "\\u202eabc"),  # would turn what follows
        ("1.0 \u00b5s\r\n\t2", "1.0 \u00b5s\r\n\t2"),  # as a text area has it
        ("\udc80", "\\udc80"),
    ],
)
def test_no_text_is_markup_or_moves_the_page(of: ModuleType, said: str, shown: str) -> None:
    assert of.joined(said) == shown
    assert of.tag("p", said) == f"<p>{shown}</p>"
    assert of.tag("input", value=said) == f'<input value="{shown}">'


@both
def test_quotes_do_not_end_an_attribute(of: ModuleType) -> None:
    assert of.tag("a", href="\"'><b>") == '<a href="&quot;&#x27;&gt;&lt;b&gt;"></a>'


@both
def test_what_an_attribute_is_worth(of: ModuleType) -> None:
    told = of.tag("input", aria_label="x", for_="y", checked=True, disabled=False, title=None)
    assert told == '<input aria-label="x" for="y" checked>'
    assert of.tag("p", None, of.tag("b", "<"), "<") == "<p><b>&lt;</b>&lt;</p>"


@pytest.mark.parametrize("name", ["tag", "joined", "_escaped", "_attribute"])
def test_a_change_of_one_is_a_change_of_the_other(name: str) -> None:
    one, other = (inspect.getsource(getattr(of, name)) for of in (provisioned, recorded))
    assert one == other and provisioned.VOID == recorded.VOID
