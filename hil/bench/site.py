"""Folders of gateways for a benchmark: keys, credential and configuration, made by provisioning."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from provisioning import template
from provisioning.init import ANCHORS, GATEWAY, InitRequest, InitResult, initialise
from provisioning.source import SourceRequest

LOG = "log-1"


def make_site(folder: Path, sources: list[SourceRequest], port: int = 9) -> Path:
    """Makes DIR/site for a bench gateway with these sources; returns its gateway.toml."""
    return _made(folder / "site", sources, port, 1).folder / GATEWAY


def make_sites(folder: Path, gateways: Sequence[list[SourceRequest]], port: int) -> list[Path]:
    """A gateway for each list of sources, every one of an authority of its own, and one record that
    believes all of them: its record.toml lies in the first one's folder. Returns each gateway.toml.
    """
    made = [
        _made(folder / f"site-{at}", sources, port, at) for at, sources in enumerate(gateways, 1)
    ]
    log = (LOG, made[0].log)
    rows = "".join(
        f'\n[[authority]]\nname = "authority-{at}"\nkey = {json.dumps(one.authority.raw.hex())}\n'
        for at, one in enumerate(made[1:], 2)
    )
    for at, one in enumerate(made, 1):
        anchors = template.anchors(log, (f"authority-{at}", one.authority))
        text = anchors + rows if at == 1 else anchors
        (one.folder / ANCHORS).write_text(text, encoding="utf-8")
    return [one.folder / GATEWAY for one in made]


def _made(folder: Path, sources: list[SourceRequest], port: int, number: int) -> InitResult:
    request = InitRequest(
        folder,
        gateway=f"gateway-{number}",
        authority=f"authority-{number}",
        log=LOG,
        listen=("127.0.0.1", port),
        sources=sources,
        buses=("Bus 1", "Bus 2"),
        role="bench",
    )
    return initialise(request, int(time.time()), os.urandom)
