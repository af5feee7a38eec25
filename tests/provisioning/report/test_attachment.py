"""The PDF around the signed report: whatever byte of it is changed is found."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.handover import FILE_BYTES_MAX
from provisioning.report import attachment, sheet
from provisioning.report.attachment import ChangedError, PdfError, attach, detach
from tests.provisioning.report import sample

DRAWN = sheet.drawn(sample.report(), "a4")
CONTENT = b'{"some": "content"}\n' * 40
WHOLE = attach(DRAWN, CONTENT)


def test_what_was_attached_comes_back():
    assert detach(WHOLE) == (len(DRAWN), CONTENT)
    assert WHOLE.startswith(DRAWN)
    assert detach(attach(DRAWN, b"")).content == b""


def test_whatever_byte_is_changed_behind_the_pages_is_found():
    for at in range(len(DRAWN), len(WHOLE)):
        for bit in range(8):
            changed = WHOLE[:at] + bytes([WHOLE[at] ^ 1 << bit]) + WHOLE[at + 1 :]
            with pytest.raises(PdfError):
                detach(changed)
        with pytest.raises(PdfError):
            detach(WHOLE[:at])
        with pytest.raises(PdfError):
            detach(WHOLE[:at] + b"\n" + WHOLE[at:])


def test_the_same_content_packed_otherwise_is_found():
    packed, loose = zlib.compress(CONTENT, 9), zlib.compress(CONTENT, 1)
    assert packed != loose
    changed = WHOLE.replace(packed, loose).replace(b"%d" % len(packed), b"%d" % len(loose))
    with pytest.raises(PdfError):
        detach(changed)


def test_another_update_behind_is_found():
    """What a reader would show is the last update's. One of the right form makes other pages: their
    hash is signed.
    """
    assert detach(attach(WHOLE, CONTENT)).drawn != len(DRAWN)
    with pytest.raises(PdfError):
        detach(WHOLE + WHOLE[len(DRAWN) :])
    with pytest.raises(PdfError):
        detach(WHOLE + b"%%EOF\n")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no PDF"),
        (b"{}", "no PDF"),
        (b"%PDF-1.4\n", "another PDF, or was saved anew"),
        (DRAWN, "another PDF, or was saved anew"),
    ],
)
def test_a_pdf_without_a_report_says_so(data, says):
    with pytest.raises(PdfError) as fault:
        detach(data)
    assert says in str(fault.value)
    assert not isinstance(fault.value, ChangedError)


def test_an_attachment_that_grows_without_end_is_refused():
    bomb = zlib.compress(bytes(FILE_BYTES_MAX + 1), 9)
    update = attachment._update(DRAWN, bomb, FILE_BYTES_MAX + 1)
    with pytest.raises(ChangedError, match="longer than a report"):
        detach(DRAWN + update)


@given(st.binary(max_size=200), st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_whatever_comes_a_reason_comes_out(some, start, end):
    for data in (b"%PDF-" + some, WHOLE[:start] + some + WHOLE[end:]):
        if data != WHOLE:
            try:
                parts = detach(data)
            except PdfError:
                continue
            assert data[: parts.drawn] != DRAWN, "the hash of the pages finds this"
