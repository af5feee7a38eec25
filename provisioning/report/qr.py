"""QR codes on the sheet: what is in them is what stands beside them, for whoever would mistype it.

Drawn as rectangles, a run of dark modules each: sharp at any size, in black and white.
"""

import segno
from reportlab.pdfgen.canvas import Canvas

QUIET = 4  # modules around (ISO/IEC 18004 9.1)


def key_text(kid: str, fingerprint: str) -> str:
    """What the code of a key says."""
    return f"gridseal key {kid} sha256 {fingerprint}"


def report_text(number: str) -> str:
    """What the code of a report says: the number that verify-report tells."""
    return f"gridseal report {number}"


def draw(canvas: Canvas, text: str, x: float, y: float, size: float) -> None:
    """A code of `size` points, quiet zone included, its lower left corner at (x, y)."""
    rows = [
        bytes(row) for row in segno.make(text, error="m", micro=False, boost_error=False).matrix
    ]
    module = size / (len(rows) + 2 * QUIET)
    canvas.saveState()
    canvas.setFillGray(0)
    path = canvas.beginPath()
    for number, row in enumerate(rows):
        bottom = y + size - (QUIET + number + 1) * module
        start = 0
        while (start := row.find(1, start)) >= 0:
            end = row.find(0, start)
            end = len(row) if end < 0 else end
            path.rect(x + (QUIET + start) * module, bottom, (end - start) * module, module)
            start = end
    canvas.drawPath(path, stroke=0, fill=1)
    canvas.restoreState()
