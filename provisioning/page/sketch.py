"""What a gateway's folder says of itself, as far as it says anything yet."""

from pathlib import Path

from agent import config
from agent.config import Sketch
from evidence.config import ConfigError
from provisioning.init import GATEWAY


def sketched(folder: Path) -> Sketch | None:
    """The gateway of a folder; None where there is none, or none that can be read."""
    try:
        return config.sketch(folder / GATEWAY)
    except ConfigError:
        return None
