"""A gap statement that nobody can read, sealed by one side's gateway: it voids nobody's bundle."""

from pathlib import Path

from evidence.code import Kind
from tests.record.bundling import PMU, Seam, reconstruct, verify
from tests.record.gateway import START, GatewayRun
from tests.record.judge import Judge


class Nonsense(Seam):
    """The second gateway states gaps that are none."""

    def measure(self, run: GatewayRun, gap: bool) -> None:
        super().measure(run, gap)
        if run is not self.runs[0]:
            tai = START + self.second * 1_000_000_000
            run.observe(PMU, b"\xa2\x01\x00\x01\x00", tai, kind=int(Kind.GAP))


def test_it_is_counted_and_the_bundle_holds(tmp_path: Path, judge: Judge):
    seam = Nonsense(tmp_path, rate=4)
    seam.go(8)
    seam.close()
    (tmp_path / "anchors.toml").write_text(seam.anchors())
    assert reconstruct(seam.place, tmp_path / "bundle", first=2, last=6) == 0
    assert verify(tmp_path / "bundle", tmp_path / "anchors.toml") == 0
    code, words = judge.main(tmp_path / "bundle", "--anchors", tmp_path / "anchors.toml")
    assert code == 0 and "that nobody can read, and that state nothing" in words
