"""The power is pulled at every step of new, accept and rotate: afterwards the folder works with the
old key and credential or with the new ones, and the next command goes on.
"""

import os
import shutil
from pathlib import Path

import pytest

from agent import config as agent_config
from agent.signature import device_key
from evidence import cose
from evidence.code import Typ
from provisioning.enrol import acceptance, answer, founding, parcel, pending, request
from provisioning.enrol.founding import Wanted
from provisioning.placement import PlacementError, SystemDisk
from provisioning.source import RequestError
from tests.provisioning.enrol.conftest import Gateway
from tests.provisioning.enrol.desk import NOW, Desk
from tests.provisioning.power import CutDisk, PowerCutError

LOSSES = ["nothing", "everything", "oldest"]
STEPS_MAX = 80


def works(folder: Path, desk: Desk) -> bytes:
    """The name of the credential that the agent runs by, with the key that signs."""
    gateway = agent_config.load(folder / "gateway.toml")
    device_key(gateway, waits=False)
    cose.check(cose.read_statement(gateway.credential.encoded, Typ.CREDENTIAL), desk.root.public)
    return gateway.credential.name


def take(folder: Path, packed: bytes, desk: Desk, disk: SystemDisk) -> None:
    """`enrol accept`, on this disk."""
    of, waits = request.place(folder), pending.read(folder)
    found = answer.judged(
        *(of, waits, parcel.unpack(packed), lambda _: desk.root.public.fingerprint, NOW, None)
    )
    assert waits is not None
    if acceptance.holds(of, waits, found):
        pending.forget(folder, disk)
    else:
        acceptance.apply(folder, acceptance.change_of(of, waits, found, NOW), disk)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("into", ["a new folder", "one that is there"])
def test_new(tmp_path: Path, loss: str, into: str) -> None:
    for cut in range(1, STEPS_MAX):
        folder, attic = tmp_path / f"gw-{cut}", tmp_path / f"attic-{cut}"
        attic.mkdir()
        if into != "a new folder":
            folder.mkdir(0o700)
        wanted = Wanted(folder, "gw-1", "file:device.key", None, "West", ("North",))
        try:
            founding.found(wanted, os.urandom, None, CutDisk(cut, loss, attic))
            assert cut > 6
            return
        except PowerCutError:
            pass
        if not (folder / "gateway.toml").exists():
            try:
                founding.found(wanted, os.urandom, None)
            except PlacementError as fault:
                assert "has now been finished" in str(fault)
        sketched = request.place(folder)
        request.asked(sketched, "", NOW, os.urandom, None)
    raise AssertionError("no end")


@pytest.mark.parametrize("loss", LOSSES)
def test_the_first_answer(gateway: Gateway, desk: Desk, tmp_path: Path, loss: str) -> None:
    gateway.new()
    packed = desk.answer(gateway.request())
    for cut in range(1, STEPS_MAX):
        folder, attic = tmp_path / f"gw-{cut}", tmp_path / f"attic-{cut}"
        shutil.copytree(gateway.folder, folder)
        attic.mkdir()
        try:
            take(folder, packed, desk, CutDisk(cut, loss, attic))
            assert cut > 12
            return
        except PowerCutError:
            pass
        if pending.read(folder) is not None:  # the same command goes on
            take(folder, packed, desk, SystemDisk())
        assert works(folder, desk)
        assert pending.read(folder) is None
    raise AssertionError("no end")


@pytest.mark.parametrize("loss", LOSSES)
def test_the_answer_to_a_rotation(enrolled: Gateway, desk: Desk, tmp_path: Path, loss: str) -> None:
    old = works(enrolled.folder, desk)
    packed = desk.answer(enrolled.rotate("file:next.key"))
    new = cose.read(answer._read(parcel.unpack(packed))[1].credential).name
    seen: set[bytes] = set()
    for cut in range(1, STEPS_MAX):
        folder, attic = tmp_path / f"gw-{cut}", tmp_path / f"attic-{cut}"
        shutil.copytree(enrolled.folder, folder)
        attic.mkdir()
        try:
            take(folder, packed, desk, CutDisk(cut, loss, attic))
            assert seen == {old, new}
            return
        except PowerCutError:
            pass
        seen.add(works(folder, desk))
        if pending.read(folder) is not None:
            take(folder, packed, desk, SystemDisk())
        assert works(folder, desk) == new
        found = agent_config.load(folder / "gateway.toml")
        assert found.file.gateway.key_before == ("file:device.key",)
        assert len(found.credential.before) == 1
        enrolled.type("rollback", folder)
        assert works(folder, desk) == old
    raise AssertionError("no end")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_request_is_kept_whole_or_the_one_before(
    enrolled: Gateway, desk: Desk, tmp_path: Path, loss: str
) -> None:
    enrolled.request()
    first = pending.read(enrolled.folder)
    second = request.asked(request.place(enrolled.folder), "", NOW, os.urandom, None)
    for cut in range(1, STEPS_MAX):
        folder, attic = tmp_path / f"gw-{cut}", tmp_path / f"attic-{cut}"
        shutil.copytree(enrolled.folder, folder)
        attic.mkdir()
        try:
            pending.keep(folder, second, CutDisk(cut, loss, attic))
            return
        except PowerCutError:
            pass
        assert pending.read(folder) in (first, second)
        pending.keep(folder, second, SystemDisk())
        assert pending.read(folder) == second
    raise AssertionError("no end")


def test_a_key_without_its_request_is_said_and_gone_on_with(enrolled: Gateway, desk: Desk) -> None:
    """The power went between the two: the key is there, and nothing asks for it."""
    from drivers.keystore import uri

    uri.make("file:next.key", enrolled.folder)
    said = enrolled.type("rotate", enrolled.folder, "--key", "file:next.key", fails=2)
    assert "--existing-key" in said
    packed = enrolled.rotate("file:next.key", "--existing-key")
    enrolled.accept(desk.answer(packed))
    assert agent_config.load(enrolled.folder / "gateway.toml").file.gateway.key == "file:next.key"


def test_no_statement_is_believed_for_being_kept(enrolled: Gateway) -> None:
    enrolled.request()
    path = enrolled.folder / pending.NAME
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RequestError, match="make another"):
        pending.read(enrolled.folder)
    enrolled.request()
