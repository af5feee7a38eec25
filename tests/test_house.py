"""Tidiness as a test: the house rules that no linter knows.

1. Each rule is one test; what it finds is named with file and line.
2. An exception from a rule is granted here, by name and with its reason, or in the header of the
   file that needs it: "Over 400 lines because ..." or "Over 60 lines: NAME, because ...".

Columns, imports that go up, bare asserts and blind excepts are ruff's and import-linter's; what is
here does not repeat them, but for the excepts: no `noqa` opens that door.
"""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from drivers import decode

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "agent",
    "drivers",
    "evidence",
    "firmware_bridge",
    "hil",
    "provisioning",
    "record",
)
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
COLUMNS_MAX = 100

# Where the operating system's clock may be asked. Elsewhere time comes in by argument.
CLOCK_OWNERS = re.compile(
    r"agent/clock\.py|firmware_bridge/shim/ticks\.py"
    r"|(agent|record|provisioning)/cli\.py"  # hands it to what runs
    r"|(hil|tests)/.*"  # the bench measures
)
CLOCKS = ("time", "clock_gettime", "monotonic", "perf_counter")
CLOCK_NAMES = {name + ns for name in CLOCKS for ns in ("", "_ns")}
BROAD = {"Exception", "BaseException"}
# One supervised loop, and what looks for whatever comes out; nothing else.
BROAD_OWNERS = ("agent/runner.py", "hil/devices/prompt.py", "hil/fuzz/trial.py")
IO_MODULES = {
    "asyncio",
    "multiprocessing",
    "os",
    "pathlib",
    "select",
    "selectors",
    "serial",
    "socket",
    "ssl",
    "subprocess",
    "termios",
    "threading",
    "time",
}
SKIPS = re.compile(r"pytest\.(mark\.)?(skip|skipif|importorskip|xfail)")
NO_STORAGE = {"common", "core", "helper", "helpers", "misc", "shared", "util", "utils"}

# Written in halves, so that this file does not find itself.
MACHINE_PATHS = re.compile(
    r"(?<![\w.}*])/(?:wo" + r"rk|ro" + r"ot|fa" + r"rm|ho" + r"me|tm" + r"p)/\w"
)
PACKAGE_HOSTS = re.compile(
    r"py"
    + r"pi\.org|pythonho"
    + r"sted|deb\.deb"
    + r"ian|registry\.np"
    + r"mjs|files\.pyt"
    + r"hon"
)
UNFINISHED = re.compile(
    r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|NotImplemented" + r"Error)\b"
    r"|^(?:<{7}|\|{7}|>{7})(?: |$)"  # two texts of which nobody chose
)

# What nothing of ours claims, of itself or of anybody. An authority may certify a TLS key.
CLAIMS = re.compile(r"\b(?:legal|complian|certif(?:ied|ication)\b|court)", re.IGNORECASE)
CLAIMS_DENIED = ("says nothing about anybody's compliance",)


@cache
def sources() -> tuple[str, ...]:
    """Every Python file of the project, by its path from the root."""
    found = [path for top in (*PACKAGES, "tests") for path in (ROOT / top).rglob("*.py")]
    return tuple(sorted(path.relative_to(ROOT).as_posix() for path in found))


@cache
def texts() -> tuple[str, ...]:
    """Every text that people write: sources, pages, settings, scripts, vectors."""
    found = [path for top in (*PACKAGES, "tests") for path in (ROOT / top).rglob("*")]
    found += [*ROOT.glob("*"), *ROOT.glob(".ci/*"), *ROOT.glob("lock/*")]
    return tuple(
        sorted(
            path.relative_to(ROOT).as_posix()
            for path in found
            if path.is_file()
            and (
                path.suffix in {".py", ".md", ".toml", ".cfg", ".hex", ".in", ".txt"}
                or path.name in {"Makefile", ".gitignore"}
                or path.parent.name == ".ci"
            )
        )
    )


@cache
def tree(name: str) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), name)


def header(name: str) -> str:
    """The docstring that a file opens with, on one line; empty when there is none."""
    return " ".join((ast.get_docstring(tree(name)) or "").split())


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, at any depth."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(name: str) -> set[str]:
    """The modules that a file imports anywhere in it, whole and by their top name."""
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found | {module.split(".")[0] for module in found}


def protocols() -> list[Path]:
    """The folders under drivers/ that hold a protocol."""
    return sorted(path.parent for path in (ROOT / "drivers").rglob("wire.py"))


def loaded_by(module: str) -> set[str]:
    """The modules in memory after a fresh Python has imported one."""
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )
    return set(done.stdout.split())


def test_files_are_short():
    long = [
        f"{name}: {count} lines"
        for name in sources()
        if (count := len((ROOT / name).read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
        and "Over 400 lines because " not in header(name)
    ]
    assert not long


def test_functions_are_short():
    long = [
        f"{name}:{node.lineno} {node.name}: {count} lines"
        for name in sources()
        for node in functions(name)
        if (count := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
        and f"Over 60 lines: {node.name}, because " not in header(name)
    ]
    assert not long


def test_lines_fit_the_page():
    """Python's lines are ruff's. A table's row and a link cannot be folded."""
    wide = [
        f"{name}:{number} {len(line)} columns"
        for name in texts()
        if not name.endswith((".py", ".hex", ".txt"))
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > COLUMNS_MAX and not line.lstrip().startswith(("|", "http", "["))
    ]
    assert not wide


def test_every_file_opens_with_what_it_owns():
    bare = [name for name in sources() if not name.endswith("__init__.py") and not header(name)]
    assert not bare


def test_packages_of_drivers_are_empty():
    """Importing one driver must not load another."""
    full = [path for path in (ROOT / "drivers").rglob("__init__.py") if path.read_text().strip()]
    assert not full


def test_every_folder_has_its_page():
    folders = [ROOT, *(ROOT / name for name in PACKAGES), *protocols()]
    lacking = [
        str(path.relative_to(ROOT)) for path in folders if not (path / "README.md").is_file()
    ]
    lacking += [
        f"{path.name}: sample.toml" for path in protocols() if not (path / "sample.toml").is_file()
    ]
    assert not lacking


def test_nothing_is_named_after_a_drawer():
    drawers = [name for name in sources() if NO_STORAGE & set(name.removesuffix(".py").split("/"))]
    assert not drawers


def test_exceptions_are_named_errors():
    """What derives from an Error is one, and is called one."""
    misnamed = [
        f"{name}:{node.lineno} {node.name}"
        for name in sources()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.ClassDef)
        and not node.name.endswith("Error")
        and any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases)
    ]
    assert not misnamed


def test_broad_except_only_where_it_is_granted():
    found: list[str] = []
    for name in sources():
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ExceptHandler):
                caught = {ast.unparse(part) for part in ast.walk(node.type)} if node.type else BROAD
                if caught & BROAD:
                    found.append(f"{name}:{node.lineno}")
    assert [place.rpartition(":")[0] for place in found] == list(BROAD_OWNERS)


def test_protocols_are_bytes_in_facts_out():
    """Only a protocol's driver.py knows that there are lines and clocks."""
    impure = [
        f"{path.relative_to(ROOT)}: {module}"
        for folder in protocols()
        for path in sorted(folder.glob("*.py"))
        if path.name != "driver.py"
        for module in sorted(imported(path.relative_to(ROOT).as_posix()) & IO_MODULES)
    ]
    assert not impure


def test_decode_loads_no_driver():
    loaded = loaded_by("drivers.decode, " + ", ".join(decode.WIRES.values()))
    assert not loaded & {"asyncio", "pymodbus", "selectors", "serial", "socket", "ssl"}
    assert not {name for name in loaded if re.fullmatch(r"drivers\..*driver|drivers\.asks", name)}


def test_agent_starts_light():
    """A gateway carries neither the record's web library nor the bench's."""
    heavy = {"aiohttp", "hil", "nats", "pymodbus", "record", "rich", "scapy"}
    assert not loaded_by("agent.cli") & heavy


def test_a_key_in_a_file_loads_no_other_store():
    """And what speaks to a store is never in the program that has its key there."""
    loaded = loaded_by("agent.cli, provisioning.cli, drivers.keystore.file")
    stores = {"asn1crypto", "cryptography", "nacl.pwhash", "pkcs11", "tpm2_pytss"}
    assert not loaded & (stores | {f"drivers.keystore.{name}" for name in ("pkcs11", "tpm")})
    parents = loaded_by("drivers.keystore.pkcs11, drivers.keystore.tpm")
    assert not parents & (stores | {f"drivers.keystore.{name}" for name in ("token", "chip")})


def test_evidence_asks_nobody():
    """Pure: the lone verifier inside a bundle is made from it."""
    impure = [
        f"{name}: {module}"
        for name in sources()
        if name.startswith("evidence/")
        for module in sorted(imported(name) & (IO_MODULES | {"random", "secrets"}))
    ]
    assert not impure


def test_only_the_clock_asks_the_clock():
    asked: list[str] = []
    for name in sources():
        if CLOCK_OWNERS.fullmatch(name):
            continue
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                names = CLOCK_NAMES & {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute):
                whole = ast.unparse(node)
                names = {whole} & {f"time.{clock}" for clock in CLOCK_NAMES}
                if re.search(r"\bdate(time)?\.(now|utcnow|today)$", whole):
                    names.add(whole)
            else:
                continue
            asked += [f"{name}:{node.lineno} {clock}" for clock in sorted(names)]
    assert not asked


@pytest.mark.parametrize("found", [MACHINE_PATHS, PACKAGE_HOSTS, UNFINISHED])
def test_texts_tell_of_no_machine_and_no_unfinished_business(found: re.Pattern[str]):
    places = [
        f"{name}:{number} {hit.group()}"
        for name in texts()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if (hit := found.search(line))
    ]
    assert not places


def test_nothing_claims_validity_compliance_or_certification():
    shipped = [ROOT / name for name in texts() if not name.startswith("tests/")]
    for top in PACKAGES:
        shipped += [path for kind in ("html", "js") for path in (ROOT / top).rglob(f"*.{kind}")]
    places = [
        f"{path.relative_to(ROOT)}:{number} {hit.group()}"
        for path in shipped
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (hit := CLAIMS.search(line)) and not any(one in line for one in CLAIMS_DENIED)
    ]
    assert not places


def test_only_conftest_skips():
    """Under CI nothing is skipped: whoever lacks something says so through conftest.absent."""
    skipping = [
        f"{name}:{node.lineno}"
        for name in sources()
        if name.startswith("tests/") and name != "tests/conftest.py"
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Attribute) and SKIPS.fullmatch(ast.unparse(node))
    ]
    assert not skipping


# A package, its version, the machines it is for, its hashes.
PIN = r"[a-z0-9-]+==\S+( ; platform_machine == \S+)? +--hash=sha256:[0-9a-f]{64}"


def pins(name: str) -> dict[str, str]:
    """The pinned versions of one lock, by package; every one with a hash."""
    text = (ROOT / "lock" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert all(re.match(PIN, line) for line in lines), name
    return {line.split("==")[0]: line.split("==")[1].split()[0] for line in lines}


def test_locks_agree_and_name_every_requirement():
    whole = pins("all.txt")
    for name in ("gateway.txt", "provisioning.txt", "record.txt"):
        assert pins(name).items() <= whole.items(), name
    assert pins("oracle.txt")["cwt"]
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    wanted = setup["options"]["install_requires"]
    assert {"pip", "setuptools", "wheel", *requirements(wanted)} <= pins("gateway.txt").keys()
    extras = [
        text
        for name, text in setup["options.extras_require"].items()
        if name not in {"all", "bench", "tpm"}
    ]
    assert requirements("\n".join(extras)) <= whole.keys()
    built = pins("tpm.txt")  # source, built apart; all that it stands on is the same as elsewhere
    assert requirements(setup["options.extras_require"]["tpm"]) == built.keys() - whole.keys()
    assert {name: built[name] for name in built.keys() & whole.keys()}.items() <= whole.items()


def requirements(text: str) -> set[str]:
    """The packages that a list of requirements names, as locks spell them."""
    lines = [line.strip() for line in text.splitlines()]
    return {re.split(r"[<>=~\[; ]", line)[0].lower() for line in lines if line and line[0] != "#"}
