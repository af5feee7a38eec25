"""Gridseal asks, it does not act: what may be sent to a device goes through one function, and no
other line of agent/ and drivers/ could write to a socket, a serial line or a device's file.

1. Every name by which bytes can leave is looked for, called or handed on, by attribute, by import
   or by getattr; and libraries that send by themselves. What is found is granted here, by file,
   function and expression, with its reason.
2. A grant that nothing needs is refused too: it would stand open for the next who comes.
3. What is sent is another matter: tests.recorder writes it down, drivers.asks checks it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSES = ("agent", "drivers")
WAYS = {
    # os, sockets, asyncio, TLS, serial lines, files
    *("write", "writev", "pwrite", "pwritev", "writelines", "write_bytes", "write_text"),
    *("send", "sendall", "sendto", "sendmsg", "sendmsg_afalg", "sendfile", "send_fds"),
    *("sock_sendall", "sock_sendto", "sock_sendfile", "write_eof", "splice", "copy_file_range"),
    *("send_break", "sendBreak", "break_condition", "setDTR", "setRTS", "dtr", "rts"),
    *("tcsendbreak", "tcflow", "set_input_flow_control"),  # a break; XON and XOFF
    *("ioctl", "syscall"),  # TIOCSTI types on a terminal; a syscall is any of these
    *("dump", "copyfileobj", "copyfile", "upload_file"),
    *("system", "popen", "posix_spawn", "posix_spawnp", "subprocess_exec", "subprocess_shell"),
    *("create_subprocess_exec", "create_subprocess_shell"),
    # What pymodbus can ask for beyond reading.
    *("write_coil", "write_coils", "write_register", "write_registers"),
    *("mask_write_register", "readwrite_registers", "write_file_record"),
}
SENDERS = {
    *("pty", "pymodbus", "scapy", "smbus", "socketserver", "subprocess", "sunspec2"),
    *("synchrophasor",),
}
ONE = ("drivers/asks.py", "send")  # the function
MODULE, IMPORT, CALL = "drivers.asks", "from drivers import asks", "asks.send"
OF_ASKS = (CALL, "asks.AskError")  # all that may be said of it: its table is nobody else's to touch
FILE = "a file on this machine"
# What may be asked of a line's driver: attributes and counters; not TIOCSTI, which types on a
# terminal, not TIOCSBRK, and no pin.
REQUESTS = {"_TCGETS2", "_TIOCGICOUNT"}
LINE = "how a line is set or watched; no byte goes out on it"
# File: function and expression, and why that reaches no device but through the table.
GRANTS: dict[str, dict[str, str]] = {
    "drivers/asks.py": {
        f"send {call}": "the one function" for call in ("os.write", "borrowed.sendto", "line.write")
    },
    "drivers/gnss/session.py": {
        "_rates asks.UBX_RATES": "what may be asked, read",
        "_modes asks.UBX_POLLS": "what may be asked, read",
    },
    "drivers/keystore/private.py": {"_fill os.write": FILE},
    "drivers/keystore/process.py": {
        "module import subprocess": "a program of ours, with a fixed command line",
        "_give os.write": "to that program, through a pipe",
    },
    "drivers/keystore/child.py": {"_give os.write": "its answer, through a pipe"},
    "drivers/serial/line.py": {
        f"{function} fcntl.ioctl": LINE for function in ("_counters", "_set")
    },
    "drivers/modbus/request.py": {
        f"encode import pymodbus.{name}": "makes bytes of a request, which are read back; no socket"
        for name in (
            *("framer.FramerRTU", "framer.FramerSocket"),
            *("pdu.DecodePDU", "pdu.bit_message", "pdu.register_message"),
        )
    },
    **{
        name: {"module import drivers.asks.Outlet": "the type of what asks.send takes"}
        for name in ("drivers/pmu/pair.py", "drivers/port.py")
    },
    "agent/broker.py": {"write super().write": "to the broker"},
    "agent/cli.py": {"_run report.write": FILE},
    "agent/extract.py": {
        "run Export(archive, chosen, said).write": FILE,
        "run print to told": "to the terminal",
        "_opened sys.stdout.buffer.write": "to the standard output",
        "__call__ self._file.write": FILE,
    },
    "agent/http.py": {
        "exchange self._writer.write": "to the record",
        "exchange http.send": "h11 makes bytes of an event: no socket is in it",
    },
    "agent/page/door.py": {"_open line.send": "to a browser, that it is one too many"},
    "agent/page/service.py": {
        **{
            f"{function} http.send": "h11 makes bytes of an event: no socket is in it"
            for function in ("_chunk", "_tell", "_whole")
        },
        "_send asyncio.get_running_loop().sock_sendall": "to whoever looks at the page",
    },
    "agent/page/watch.py": {"events line.sendall": "to the agent's own page, on its Unix socket"},
    "agent/panel.py": {
        f"{function} self._out.write": "to the terminal"
        for function in ("said", "heard", "draw", "wipe")
    },
    "agent/timing/child.py": {
        "ask pipe.write": "to chronyc and pmc, which are asked for what they know: tracking, GET",
        "_running loop.subprocess_exec": "chronyc and pmc",
    },
    "agent/status.py": {
        "_answer loop.sock_sendall": "to whoever asks for status, on a Unix socket"
    },
}


def written(source: str, name: str) -> Iterator[tuple[str, int]]:
    """What could send in a source, as function and expression, and its line."""
    tree = ast.parse(source, name)
    inside: dict[ast.AST, str] = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                inside[node] = function.name  # the innermost comes last
    asks = any(isinstance(node, ast.Attribute) and _words(node) == CALL for node in ast.walk(tree))
    for node in ast.walk(tree):
        for said in (*_said(node), *(_rebound(node) if asks else ())):
            yield f"{inside.get(node, 'module')} {said}", getattr(node, "lineno", 0)
    if asks and IMPORT not in map(_words, tree.body):
        yield f"module {CALL} without {IMPORT}", 1


def _said(node: ast.AST) -> Iterator[str]:
    """The ways out that a node names."""
    if isinstance(node, ast.Attribute) and node.attr in WAYS:
        if _words(node) != CALL:
            yield _words(node)
    elif isinstance(node, ast.Attribute) and _words(node.value) in ("asks", MODULE):
        if _words(node) not in OF_ASKS:
            yield _words(node)
    elif isinstance(node, ast.ImportFrom | ast.Import):
        module = getattr(node, "module", None) or ""
        for alias in node.names:
            whole = f"{module}.{alias.name}".strip(".")
            if alias.name in WAYS | {"*"} or module == MODULE or whole.split(".")[0] in SENDERS:
                yield f"import {whole}"
    elif isinstance(node, ast.Call):
        called = _words(node.func).split(".")[-1]
        if called in ("getattr", "setattr", "methodcaller", "attrgetter"):
            names = [one.value for one in node.args if isinstance(one, ast.Constant)]
            yield from (f"{called} {one!r}" for one in names if one in WAYS)
        if called == "ioctl" and not {_words(one) for one in node.args[1:2]} <= REQUESTS:
            yield f"ioctl {_words(node)}"
        if called == "print":
            places = [_words(word.value) for word in node.keywords if word.arg == "file"]
            yield from (f"print to {place}" for place in places if place != "sys.stderr")


def _rebound(node: ast.AST) -> Iterator[str]:
    """Where the name of the one module becomes something else."""
    named = (
        (isinstance(node, ast.Name) and node.id == "asks" and not isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.arg) and node.arg == "asks")
        or (isinstance(node, ast.alias) and "asks" in (node.asname, node.name) and node.asname)
    )
    if named:
        yield "asks, another"


def _words(node: ast.AST) -> str:
    return ast.unparse(node)


def found() -> dict[str, dict[str, int]]:
    """By file: what could send, and where."""
    files: dict[str, dict[str, int]] = {}
    for house in HOUSES:
        for path in sorted((ROOT / house).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for said, line in written(path.read_text(encoding="utf-8"), name):
                files.setdefault(name, {})[said] = line
    return files


def test_nothing_else_could_send_to_a_device():
    stray = [
        f"{name}:{line} {said}"
        for name, places in found().items()
        for said, line in places.items()
        if said not in GRANTS.get(name, {})
    ]
    assert not stray


def test_no_grant_stands_open():
    there = found()
    idle = [
        f"{name}: {said}"
        for name, grants in GRANTS.items()
        for said in grants
        if said not in there.get(name, {})
    ]
    assert not idle


def test_the_one_function_looks_before_it_sends():
    """In it, the table is asked on a line above every write."""
    name, function_name = ONE
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    (function,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == function_name
    )
    asked = [
        node.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node) == "named(encoded)"
    ]
    sent = [
        node.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr in WAYS
    ]
    assert len(asked) == 1 and sent and asked[0] < min(sent)


PLANTED = {
    "a socket": "def f(s, b):\n    s.send(b)",
    "all of it": "def f(s, b):\n    s.sendall(b)",
    "a datagram": "def f(s, b):\n    s.sendto(b, ('192.0.2.1', 4712))",
    "a message": "def f(s, b):\n    s.sendmsg([b])",
    "a descriptor": "import os\ndef f(fd, b):\n    os.write(fd, b)",
    "several": "import os\ndef f(fd, b):\n    os.writev(fd, [b])",
    "a transport": "def f(transport, b):\n    transport.write(b)",
    "the loop": "async def f(loop, s, b):\n    await loop.sock_sendall(s, b)",
    "a serial line": "import serial\nserial.Serial('/dev/ttyS0').write(b'open')",
    "a pin of it": "def f(line):\n    line.rts = True",
    "handed on": "def f(s):\n    return s.send",
    "imported": "from os import write\ndef f(fd, b):\n    write(fd, b)",
    "by its name": "def f(s, b):\n    getattr(s, 'send')(b)",
    "printed": "def f(line):\n    print('open', file=line)",
    "a device file": "from pathlib import Path\nPath('/dev/ttyS0').write_bytes(b'open')",
    "typed on a terminal": "import fcntl\nfcntl.ioctl(0, 0x5412, b'o')",
    "a library that sends": "from pymodbus.client import ModbusTcpClient",
    "a break": "import fcntl\nfcntl.ioctl(0, termios.TIOCSBRK)",
    "a break by its other name": "import termios\ntermios.tcsendbreak(0, 0)",
    "an XOFF": "import termios\ntermios.tcflow(0, termios.TCIOFF)",
    "a shell": "import os\nos.system('echo open > /dev/ttyS0')",
    "a program": "import subprocess\nsubprocess.run(['stty'])",
    "anything": "from os import *",
    "the table, widened": "from drivers import asks\nasks.MODBUS_READS[6] = 'open', 1",
    "the check, replaced": "from drivers import asks\nasks._modbus_read = lambda pdu: 'read'",
    "a register": "def f(client):\n    client.write_register(1, 2)",
    "the check, evaded": "from drivers.asks import _PROTOCOLS",
    "another asks": "from drivers import other as asks\nasks.send(1, 'c37118', b'')",
    "asks, replaced": "def f(asks):\n    asks.send(1, 'c37118', b'')",
    "asks, bound anew": "asks = object()\nasks.send(1, 'c37118', b'')",
    "in a lambda": "f = lambda s, b: s.sendall(b)",
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name: str):
    assert list(written(PLANTED[name], "drivers/planted.py"))


def test_what_asks_is_not():
    source = "from drivers import asks\ndef f(port, b):\n    asks.send(port.fileno(), 'c37118', b)"
    assert not list(written(source, "drivers/planted.py"))
    assert not list(written("import sys\nprint('words', file=sys.stderr)", "agent/planted.py"))
