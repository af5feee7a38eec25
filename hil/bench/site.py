"""A gateway's folder for a benchmark: keys, credential and configuration, made by provisioning."""

import os
import time
from pathlib import Path

from provisioning.init import InitRequest, initialise
from provisioning.source import SourceRequest


def make_site(folder: Path, sources: list[SourceRequest], port: int = 9) -> Path:
    """Makes DIR/site for a bench gateway with these sources; returns its gateway.toml."""
    request = InitRequest(
        folder / "site",
        listen=("127.0.0.1", port),
        sources=sources,
        buses=("Bus 1", "Bus 2"),
        role="bench",
    )
    initialise(request, int(time.time()), os.urandom)
    return folder / "site" / "gateway.toml"
