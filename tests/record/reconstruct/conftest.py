"""One night for all tests of this folder, published and cosigned, with its anchors."""

from pathlib import Path

import pytest

from tests.evidence.joint.sharing import founders_text
from tests.record.reconstruct.night import Night, fill
from tests.record.test_bundle_shared import WITNESS, policy, witnessed
from tests.record.upstream import LOG


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory, captures: Path) -> Night:
    folder = tmp_path_factory.mktemp("night")
    found = fill(folder, captures)
    witnessed(found.place, WITNESS)
    (folder / "policy").write_text(policy(WITNESS))
    log = f'[log]\nname = "demo"\nkey = "{LOG.public.raw.hex()}"\n'
    found.anchors.write_text(f'witness_policy = "policy"\n{log}{founders_text()}')
    return found
