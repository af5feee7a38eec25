"""A report inside its PDF: the file attachment handover.json, added after the pages were drawn.

1. The drawn pages are whole by themselves, but for an attachment that is still empty; so they have
   a hash before the report is signed, and that hash is part of what is signed.
2. The attachment is filled by an incremental update (ISO 32000-1 7.5.6): behind the drawn pages,
   which stay as they are to the byte, one object takes the place of the empty one.
3. What may stand behind the drawn pages is that update in one spelling, and nothing else: more of
   them, or another object, would change what a reader shows. The compressed bytes, in which zlib
   may spell one content in several ways, are held by the file's second ID (14.4), their hash.
4. Whatever bytes come, a PdfError comes out, within memory bounded by a limit.
5. Nothing that came from a device or a file stands outside the compressed streams of the pages.

It believes no content, and draws nothing.
"""

import hashlib
import re
import zlib
from typing import Any, NamedTuple

from evidence.handover import FILE_BYTES_MAX

NAME = "handover.json"
PDF_BYTES_MAX = 32 * 1024 * 1024  # sixty times what a report is meant to take
HEAD = b"%PDF-"
_TAIL_BYTES = 2048  # of a file: its trailer and what points to it
_STARTXREF = re.compile(rb"startxref\n(\d{1,10})\n%%EOF\n\Z")
_TRAILER = re.compile(rb"trailer\s*<<(.*?)>>\s*startxref", re.DOTALL)
_ID = re.compile(rb"/ID\s*\[\s*<([0-9a-f]{32})>")
_NUMBERS = tuple(re.compile(rb"/%b (\d{1,7})\b" % name) for name in (b"Info", b"Root", b"Size"))
_EMPTY = re.compile(rb"\n(\d{1,7}) 0 obj\n<<[^>]{0,99}/Type /EmbeddedFile[^>]{0,99}>>\nstream\n")
_UPDATE_XREF = re.compile(rb"xref\n(\d{1,7}) 1\n(\d{10}) 00000 n \n")


class PdfError(ValueError):
    """A PDF that is not as this writes it, in words."""


class ChangedError(PdfError):
    """One that is as this writes it, but for what was changed since."""


class Parts(NamedTuple):
    """`drawn`: how many bytes of the file are the drawn pages; `content`: the attachment."""

    drawn: int
    content: bytes


def prepare(document: Any) -> None:
    """Gives a document that reportlab still draws its empty attachment."""
    from reportlab.pdfbase import pdfdoc  # whoever checks a report needs none of it

    empty = pdfdoc.PDFStream(pdfdoc.PDFDictionary({"Type": pdfdoc.PDFName("EmbeddedFile")}), b"")
    reference = document.Reference(empty, "handover content")
    about = "The report as it was signed. Check it by: gridseal-provision verify-report"
    file = pdfdoc.PDFDictionary(
        {
            "Type": pdfdoc.PDFName("Filespec"),
            "F": pdfdoc.PDFString(NAME),
            "UF": pdfdoc.PDFString(NAME),
            "Desc": pdfdoc.PDFString(about),
            "EF": pdfdoc.PDFDictionary({"F": reference}),
        }
    )
    files = pdfdoc.PDFArray([pdfdoc.PDFString(NAME), document.Reference(file, "handover file")])
    tree = pdfdoc.PDFDictionary({"Names": files})
    document.Catalog.Names = pdfdoc.PDFDictionary({"EmbeddedFiles": tree})


def attach(drawn: bytes, content: bytes) -> bytes:
    """The drawn pages with the attachment filled. Raises PdfError."""
    return drawn + _update(drawn, zlib.compress(content, 9), len(content))


def detach(data: bytes) -> Parts:
    """The attachment of a file that `attach` made, to the byte (rule 3). Raises PdfError."""
    if not data.startswith(HEAD):
        raise PdfError("is no PDF")
    if len(data) > PDF_BYTES_MAX:
        raise PdfError(f"{len(data)} bytes; a report has at most {PDF_BYTES_MAX}")
    end = _STARTXREF.search(data, max(0, len(data) - _TAIL_BYTES))
    at = int(end.group(1)) if end else len(data)
    table = _UPDATE_XREF.match(data, at)
    if table is None:
        text = "has no report as its last attachment: it is another PDF, or was saved anew"
        raise PdfError(f"{text} (then take {NAME} out of it, and check that)")
    start = int(table.group(2))
    opened = data.find(b"stream\n", start, at)
    packed = data[opened + 7 : at - len(b"\nendstream\nendobj\n")] if opened >= 0 else b""
    content = _unpacked(packed)
    if not 0 < start < at or _update(data[:start], packed, len(content)) != data[start:]:
        raise ChangedError("something in it was changed behind the drawn pages")
    return Parts(start, content)


def _update(drawn: bytes, packed: bytes, size: int) -> bytes:
    """The one update of these pages. Raises PdfError."""
    tail = drawn[-_TAIL_BYTES:]
    end, trailer, empty = _STARTXREF.search(tail), _TRAILER.search(tail), _EMPTY.findall(drawn)
    told = trailer.group(1) if trailer else b""
    found = [pattern.search(told) for pattern in (_ID, *_NUMBERS)]
    if end is None or len(empty) != 1 or None in found:
        raise ChangedError("its pages are not as they are drawn")
    number, (first, info, root, objects) = empty[0], (one.group(1) for one in found if one)
    body = b"%b 0 obj\n<< /Type /EmbeddedFile /Subtype /application#2Fjson" % number
    body += b" /Filter /FlateDecode /Length %d /Params << /Size %d >> >>\n" % (len(packed), size)
    body += b"stream\n%b\nendstream\nendobj\n" % packed
    after = hashlib.sha256(body).hexdigest()[:32].encode()
    table = b"xref\n%b 1\n%010d 00000 n \n" % (number, len(drawn))
    table += b"trailer\n<< /Size %b /Root %b 0 R /Info %b 0 R" % (objects, root, info)
    table += b" /Prev %b /ID [<%b><%b>] >>\n" % (end.group(1), first, after)
    return body + table + b"startxref\n%d\n%%%%EOF\n" % (len(drawn) + len(body))


def _unpacked(packed: bytes) -> bytes:
    """The content of a stream. Raises PdfError."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, FILE_BYTES_MAX)
    except zlib.error as fault:
        raise ChangedError(f"its attachment cannot be unpacked: {fault}") from fault
    if not unpacker.eof or unpacker.unused_data:
        raise ChangedError("its attachment is cut short, or longer than a report")
    return content
