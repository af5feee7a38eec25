"""A source that an import proposes for gateway.toml: what the file says of it, and what it cannot
know, the interface of this gateway.

Its options are those of its scheme, checked by the scheme's own struct; nothing is opened.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from drivers import registry
from drivers.line import Source
from drivers.url import Option
from provisioning.plan.text import quoted, value

NAME_MAX = 64  # of a source, as gateway.toml takes it


class Proposal(NamedTuple):
    """One [[source]]. `says`: what it brings, for people."""

    name: str
    scheme: str
    options: Mapping[str, Option]
    says: str = ""


def toml(proposals: Sequence[Proposal]) -> str:
    """The [[source]] tables, to be put at the end of gateway.toml. Raises ConfigError."""
    lines: list[str] = []
    for one in proposals:
        registry.options_of(Source(one.name, one.scheme, one.options))
        lines += ["", *([f"# {one.says}"] if one.says.isprintable() and one.says else [])]
        lines += ["[[source]]", f"name = {quoted(one.name)}", f"scheme = {quoted(one.scheme)}"]
        lines += ["[source.options]"]
        lines += [f"{key} = {value(told)}" for key, told in one.options.items()]
    return "\n".join(lines) + "\n" if lines else ""


def named(ied: str, scheme: str) -> str:
    """A source's name for what an IED sends by a scheme."""
    return f"{ied[: NAME_MAX - len(scheme) - 1]}-{scheme}"
