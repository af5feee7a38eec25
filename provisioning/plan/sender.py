"""What one IED of an SCL file sends, as sources for a gateway: GOOSE control blocks and Sampled
Values, with their addresses.

1. Its GOOSE data sets are resolved by the driver's own reader (drivers.goose.scl): what it refuses
   is refused here, before it stands in a gateway.toml.
2. What the file does not say of Sampled Values (their rate, an svID) is left open, and the driver
   learns it from the frames; a data set that is not one of eight pairs has to be stated, and a note
   says so.
"""

import math
import re
from xml.etree.ElementTree import Element

from drivers.goose import scl as goose
from drivers.sv.dataset import RATE_MAX
from drivers.url import Option
from evidence.config import ConfigError
from provisioning.plan.proposal import Proposal, named

_MAC = re.compile("[0-9A-Fa-f]{2}([-:][0-9A-Fa-f]{2}){5}", re.ASCII)
_PAIRS = 8  # 9-2LE: three currents and the neutral one, as many voltages; each with its quality
_APPID_MAX = 0xFFFF
SV_MAX = 64  # control blocks of one IED: a merging unit has one or two


class Sender:
    """One IED. `address`: of its IP, as the Communication section has it."""

    def __init__(
        self,
        root: Element,
        ied: Element,
        file: str,
        beside: str,
        hz: float | None,
        interface: str,
    ) -> None:
        self._root, self._ied, self._file, self._beside = root, ied, file, beside
        self._hz, self._interface = hz, interface
        self._name = ied.get("name", "")
        self.notes: list[str] = []
        self.address = ""
        self._addresses: dict[tuple[str, str], dict[str, str]] = {}
        for access in root.iterfind("Communication/SubNetwork/ConnectedAP"):
            if access.get("iedName", "") == self._name:
                self.address = self.address or _words(access).get("IP", "")
                for each in access.findall("SMV"):
                    place = each.get("ldInst", ""), each.get("cbName", "")
                    self._addresses[place] = _words(each)
        self._made = [*self._goose(), *self._sampled()]

    def proposals(self) -> list[Proposal]:
        return list(self._made)

    def _goose(self) -> list[Proposal]:
        blocks = goose.blocks_of(self._root, self._file, self._name)
        if not blocks:
            return []
        says = ", ".join(block.dataset.gocbRef for block in blocks[:4])
        more = f" and {len(blocks) - 4} more" if len(blocks) > 4 else ""
        options: dict[str, Option] = {
            "interface": self._interface,
            "scl": self._beside,
            "ied": self._name,
        }
        return [Proposal(named(self._name, "goose"), "goose", options, says + more)]

    def _sampled(self) -> list[Proposal]:
        ids: list[Option] = []
        appids: list[Option] = []
        groups: list[Option] = []
        rates: set[int | None] = set()
        blocks = [
            (device, node, control)
            for device in self._ied.iterfind("AccessPoint/Server/LDevice")
            for node in (*device.findall("LN0"), *device.findall("LN"))
            for control in node.findall("SampledValueControl")
        ]
        if not blocks:
            return []
        if len(blocks) > SV_MAX:
            text = f"{len(blocks)} SampledValueControl; at most {SV_MAX}"
            raise ConfigError(self._file, f"IED {self._name}", text)
        for device, node, control in blocks:
            place = f"{self._name}/{device.get('inst', '')}/{control.get('name', '')}"
            told = self._addresses.get((device.get("inst", ""), control.get("name", "")), {})
            ids += [control.get("smvID", "")] if control.get("smvID") else []
            groups += [self._mac(told["MAC-Address"], place)] if "MAC-Address" in told else []
            appids += [self._appid(told["APPID"], place)] if "APPID" in told else []
            rates.add(self._rate(control, place))
            self._look_at(node, control, place)
        options: dict[str, Option] = {"interface": self._interface}
        # All of them are known, or none is asked for by it.
        for key, values in (("svid", ids), ("appid", appids), ("groups", groups)):
            if len(values) == len(blocks):
                options[key] = values
        rate = rates.pop() if len(rates) == 1 else None
        if rate is not None:
            options["rate"] = rate
        says = ", ".join(map(str, ids[:4]))
        return [Proposal(named(self._name, "sv"), "sv", options, says)]

    def _look_at(self, node: Element, control: Element, place: str) -> None:
        """Rule 2."""
        wanted = control.get("datSet", "")
        found = [each for each in node.findall("DataSet") if each.get("name") == wanted]
        if wanted and not found:
            raise ConfigError(self._file, place, f"its data set {wanted!r} is not there")
        count = len(found[0].findall("FCDA")) if found else 0
        if count not in (0, _PAIRS, 2 * _PAIRS):
            text = f"{count} members; other than 9-2LE's eight pairs, so state its dataset"
            self.notes.append(f"{place}: {text} in gateway.toml")

    def _rate(self, control: Element, place: str) -> int | None:
        """Samples a second (smpMod says what smpRate counts)."""
        told, mode = control.get("smpRate", ""), control.get("smpMod", "SmpPerPeriod")
        if not told:
            return None
        if not (told.isascii() and told.isdigit() and len(told) <= 7 and int(told)):
            raise ConfigError(self._file, place, f"smpRate {told[:20]!r} is no number of samples")
        if mode == "SmpPerSec":
            rate = float(told)
        elif mode == "SmpPerPeriod" and self._hz is not None:
            rate = int(told) * self._hz
        else:
            return None
        return math.floor(rate) if rate == math.floor(rate) and rate <= RATE_MAX else None

    def _mac(self, text: str, place: str) -> str:
        if not _MAC.fullmatch(text):
            raise ConfigError(self._file, place, f"MAC-Address {text[:40]!r} is none")
        return text.replace(":", "-").upper()

    def _appid(self, text: str, place: str) -> int:
        try:
            found = int(text, 16) if len(text) <= 6 else -1
        except ValueError:
            found = -1
        if not 0 <= found <= _APPID_MAX:
            raise ConfigError(self._file, place, f"APPID {text[:20]!r} is none")
        return found


def _words(place: Element) -> dict[str, str]:
    """The parameters of an Address."""
    return {each.get("type", ""): (each.text or "").strip() for each in place.iterfind("Address/P")}
