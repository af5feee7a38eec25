"""What Prometheus reads: by a strict reader of its format, of a gateway that runs and of one with
every name that makes trouble; and that the README lists it all.
"""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from agent.answers import Answers
from agent.commit import Commit, Fork, Kept
from agent.health import Health
from agent.hearing import NOTHING
from agent.page import metrics
from agent.spool import Spool
from evidence.leap import BUILT_IN, NS
from tests.agent.page.exposition import read
from tests.agent.page.gateway import Gateway

ODD = 'a "b" \\ c\nd {e="f"} \u00e9'
README = Path(metrics.__file__).parent / "README.md"


def account(health: Health, **changes: Any) -> dict[str, Any]:
    """As agent.runner tells it."""
    source = {"name": ODD, "offset_ns": -1500, "error_ns": None}
    told: dict[str, Any] = {
        "time": {"bound_ns": 2_500_000, "holdover_s": None, "sources": [source]},
        "place": {"state": "doubted", "distance_m": 50.5},
        "checks": [{"check": "early", "stream": f"{ODD}/7"}, {"check": "moved", "stream": None}],
    }
    return health.report() | told | changes


def exposed(health: Health, **changes: Any) -> dict[str, Any]:
    counted = metrics.Counted(2, 3)
    told = metrics.exposition(ODD, account(health, **changes), health, counted, BUILT_IN)
    return dict(read(told.decode()))


def test_a_running_gateway_by_a_strict_reader(gateway: Gateway) -> None:
    status, heads, body = gateway.get("/metrics")
    assert (status, heads["content-type"]) == (200, metrics.MEDIA_TYPE)
    found = read(body.decode())
    name = "gridseal_source_frames_heard_total"
    assert found[name].value(name, source="pmu-1") > 0
    assert found["gridseal_source_up"].value("gridseal_source_up", source="pmu-2") == 1
    late = "gridseal_arrival_to_durable_seconds"
    assert found[late].value(f"{late}_count") > 0
    mean = found[late].value(f"{late}_sum") / found[late].value(f"{late}_count")
    assert 0.001 < mean < 2
    last = "gridseal_source_last_frame_timestamp_seconds"
    assert abs(found[last].value(last, source="pmu-1") - time.time()) < 60
    start = "process_start_time_seconds"
    assert 0 < time.time() - found[start].value(start) < 600
    size = "process_resident_memory_bytes"
    assert 20e6 < found[size].value(size) < 100e6


def test_names_that_a_device_or_a_site_made_up_are_escaped() -> None:
    health = Health()
    source = health.source(ODD)
    source.heard, source.last_tai = 7, BUILT_IN.tai_ns(1_790_000_000, 500_000_000)
    source.fault("chk")
    found = exposed(health)
    info, name = "gridseal_agent_info", "gridseal_source_frames_heard_total"
    assert found[info].value(info, gateway=ODD) == 1
    assert found[name].value(name, source=ODD) == 7
    faults = "gridseal_source_faults_total"
    assert found[faults].value(faults, source=ODD, fault="chk") == 1
    last = "gridseal_source_last_frame_timestamp_seconds"
    assert found[last].value(last, source=ODD) == 1_790_000_000.5
    check = "gridseal_check_tripped"
    assert found[check].value(check, check="early", stream=f"{ODD}/7") == 1
    assert found[check].value(check, check="moved", stream="") == 1


def test_units_are_seconds_and_bytes_and_what_is_not_known_is_not_there() -> None:
    health = Health()
    health.latency.add(30_000_000, 3)
    health.latency.add(10 * NS)
    found = exposed(health)
    for name, value in (
        ("gridseal_clock_bound_seconds", 0.0025),
        ("gridseal_place_distance_meters", 50.5),
        ("gridseal_page_listeners", 2),
        ("gridseal_page_dropped_total", 3),
    ):
        assert found[name].value(name) == value
    offset = "gridseal_clock_source_offset_seconds"
    assert found[offset].value(offset, source=ODD) == -1.5e-06
    for name in ("clock_source_error_seconds", "spool_bytes", "spool_full_seconds"):
        assert not found[f"gridseal_{name}"].samples
    late = "gridseal_arrival_to_durable_seconds"
    assert found[late].value(f"{late}_bucket", le="0.025") == 0
    assert found[late].value(f"{late}_bucket", le="0.05") == 3
    assert found[late].value(f"{late}_bucket", le="1.5") == 3
    assert found[late].value(f"{late}_bucket", le="+Inf") == 4
    time_: dict[str, Any] = {"bound_ns": None, "holdover_s": 5, "sources": []}
    assert not exposed(health, time=time_)["gridseal_clock_bound_seconds"].samples


def test_the_readme_lists_each_with_what_it_is() -> None:
    listed = r"^\| `([a-z_]+)` \| (\w+) \| [^|]* \| (.+) \|$"
    rows = re.findall(listed, README.read_text(encoding="utf-8"), re.M)
    told = [(name, one.type, one.help) for name, one in exposed(Health()).items()]
    assert sorted(rows) == sorted(told)


def test_what_the_spool_knows_from_before_the_start_is_no_counter(tmp_path: Path) -> None:
    """A rollback of the record's, and the agent is started again."""
    spool, before = Spool(tmp_path / "spool.db"), Answers(Health())
    commit = Commit(1, 1, bytes(16), NOTHING)
    before.fork(Fork(0, Kept(22, bytes(32)), b"", Kept(12, bytes(32)), b""))
    before.into(commit)
    spool.append(commit)
    spool.close()
    spool, health = Spool(tmp_path / "spool.db"), Health()
    Answers(health).find(spool.find())
    spool.close()
    found = exposed(health)
    name = "gridseal_record_rollbacks"
    assert found[name].value(name) == 1
    own = [one for at, one in found.items() if at.startswith("gridseal_") and "page" not in at]
    counters = [value for one in own if one.type == "counter" for value in one.samples.values()]
    assert counters and not any(counters)


@pytest.mark.parametrize(
    "text",
    [
        "a 1",
        "# TYPE a gauge\na 1\n",
        "# HELP a b\n# TYPE a gauge\na 1",
        "# HELP a b\n# TYPE a counter\na 1\n",
        '# HELP a b\n# TYPE a gauge\na{x="1} 1\n',
        '# HELP a b\n# TYPE a gauge\na{x="1",x="2"} 1\n',
        '# HELP a b\n# TYPE a gauge\na{x="\\t"} 1\n',
        "# HELP a b\n# TYPE a gauge\na 1\na 2\n",
        "# HELP a b\n# TYPE a gauge\nb 2\n",
        "# HELP a b\n# TYPE a gauge\na one\n",
    ],
)
def test_the_reader_is_strict(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)
