"""Each figure of each document names the leaf that it is from, and each leaf is followed: proved
out of the record, and checked by the anchors alone."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evidence.leap import NS
from record.cli import main
from tests.record.gateway import START
from tests.record.reconstruct.night import HEARD, Night
from tests.record.reconstruct.test_sequence import rows
from tests.record.settle.test_job import SECONDS

NOT_LEAVES = ("scope.json", "each row has its own")  # of brief-report.csv, of what no entry says
LEAF = re.compile(r"\d+(/\d+)?")


class Tables(HTMLParser):
    """Every table of a page: its names, its rows, a cell a text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = True
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.tables[-1][-1][-1] += data


def of_csv(folder: Path) -> set[str]:
    found = {row["leaf"] for row in rows(folder, "timeline.csv")}
    for row in rows(folder):
        found |= {row["Leaf"], *row["Seen in (leaf)"].split(), *row["Named by (leaf)"].split()}
    for row in rows(folder, "brief-report.csv"):
        assert row["Leaf"] or row["Worth"] == "nobody said it in this bundle", row
        if row["Leaf"] not in NOT_LEAVES:
            found |= set(row["Leaf"].replace("-", " ").split())
    return found


def of_page(folder: Path) -> set[str]:
    found: set[str] = set()
    for names, *cells in Tables((folder / "timeline.html").read_text()).tables:
        if names[0] == "":  # claims, side by side: a column is one
            (row,) = [one for one in cells if one[0] == "leaf"]
            found |= set(row[1:])
        elif names[-1] in ("leaf", "leaves"):
            for row in cells:
                found |= set(row[-1].replace(" to ", " ").split())
        else:
            assert names[2] == "cause", names  # gaps, counted: each is a row of everything
    return found


def of_comtrade(folder: Path) -> set[str]:
    found: set[str] = set()
    for path in folder.glob("comtrade/*.hdr"):
        between = re.search(r"from entries (\d+) to (\d+) of the log", path.read_text())
        assert between is not None
        found |= set(between.groups())
    return found


@pytest.mark.parametrize(
    ("name", "begins", "seconds"), [("line", START, SECONDS), ("night", HEARD, 900)]
)
def test_every_leaf_is_followed(
    night: Night, tmp_path: Path, name: str, begins: int, seconds: int,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    folder = night.bundle(f"leaves of {name}", begins, begins + seconds * NS)
    assert main(["verify", str(folder.parent), "--anchors", str(night.anchors)]) == 0
    leaves = of_csv(folder) | of_page(folder) | of_comtrade(folder)
    leaves.discard("")
    assert len(leaves) > 10
    capsys.readouterr()
    for leaf in sorted(leaves):
        assert LEAF.fullmatch(leaf), leaf
        path = tmp_path / "proof"
        assert main(["prove", str(night.place), "--leaf", leaf, "--out", str(path)]) == 0, leaf
        assert main(["verify", str(path), "--anchors", str(night.anchors)]) == 0, leaf
        told = capsys.readouterr().out
        assert f"entry         {leaf.split('/')[0]} of" in told and "cosigned by   one" in told
        assert told.startswith("sample") == ("/" in leaf)


def test_no_byte_of_an_entrys_proof_can_change(
    night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "proof"
    assert main(["prove", str(night.place), "--leaf", "0", "--out", str(path)]) == 0
    whole = path.read_bytes()
    for at in range(0, len(whole), 61):
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        assert main(["verify", str(path), "--anchors", str(night.anchors)]) != 0, at
    capsys.readouterr()
