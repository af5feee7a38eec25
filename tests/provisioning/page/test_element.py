"""Text that a device, a file or a person said stays text."""

import pytest

from provisioning.page.element import joined, tag


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
def test_no_text_is_markup_or_moves_the_page(said: str, shown: str) -> None:
    assert joined(said) == shown
    assert tag("p", said) == f"<p>{shown}</p>"
    assert tag("input", value=said) == f'<input value="{shown}">'


def test_quotes_do_not_end_an_attribute() -> None:
    assert tag("a", href="\"'><b>") == '<a href="&quot;&#x27;&gt;&lt;b&gt;"></a>'
