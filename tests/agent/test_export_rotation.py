"""An archive across a rotation, as the agent's own code keeps it: the export proves itself."""

from evidence import cose
from evidence.code import Typ
from evidence.export import Stated
from tests.agent.archiving import exported, items, verified
from tests.agent.keeping import admitted
from tests.agent.site import Record, Site
from tests.agent.test_handover import measure, rotated


def statements(data: bytes) -> list[int]:
    return [cose.read(item.encoded).typ or 0 for item in items(data) if isinstance(item, Stated)]


def test_an_export_carries_what_led_to_each_key(site: Site, record: Record) -> None:
    measure(site, 0, 9)
    rotated(site, "next.key")
    measure(site, 10, 19)
    rotated(site, "third.key")
    measure(site, 20, 29)
    admitted(site, record)
    data = exported(site)
    reasons, tally = verified(site, data)
    assert reasons == []
    assert (tally.batches, tally.streams[1].observations) == (3, 30)
    found = [typ for typ in statements(data) if typ in (Typ.CREDENTIAL, Typ.ROTATION, Typ.RUN)]
    assert found == [Typ.CREDENTIAL, Typ.RUN] + 2 * [Typ.ROTATION, Typ.CREDENTIAL, Typ.RUN]


def test_one_of_what_the_last_key_sealed_alone_has_it_too(site: Site, record: Record) -> None:
    """The run of the key before is not asked for, and its credential is."""
    rotated(site, "next.key")
    measure(site, 0, 9)
    admitted(site, record)
    data = exported(site)
    assert verified(site, data)[0] == []
    assert statements(data)[:4] == [Typ.CREDENTIAL, Typ.ROTATION, Typ.CREDENTIAL, Typ.RUN]
