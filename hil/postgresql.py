"""A PostgreSQL server of the bench's own, for a record that lies in a database.

1. It listens on loopback, on a free port, and on a socket in its own folder; everybody is let in
   there, which is why both are nobody else's.
2. Started as root it runs as NOBODY, which owns its folder: a server refuses to be root.
3. It dies with the bench, however that ends: the kernel kills it, and its children see that it is
   gone. Start it from the main thread: the signal follows the thread. fsync stays on.
4. Every wait is bounded.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from hil.loopback import free_port

PROGRAMS = Path("/usr/lib/postgresql/15/bin")  # where Debian has what is not for everybody
NOBODY = "nobody"
START_S = 20.0
STOP_S = 10.0
_POLL_S = 0.05
_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "max_wal_size": "256MB",
    "log_min_messages": "warning",
}


class ServerError(Exception):
    """It did not start, or did not stop. The text quotes the last thing it said."""


class Server:
    """One server over one folder; `start` and `stop` it as often as you like."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Makes its database cluster. Raises ServerError."""
        how = ("--auth=trust", "--username=record", "--encoding=UTF8", "--no-locale", "--no-sync")
        command = [*_as_nobody(), str(PROGRAMS / "initdb"), *how, str(self.folder / "data")]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, timeout=START_S * 3, check=False
        )
        if done.returncode:
            raise ServerError(f"initdb: {done.stderr.decode(errors='replace')[-500:]}")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, **settings: str) -> None:
        """Starts it, and waits until it answers; `settings` beside its own. Raises ServerError."""
        until = time.monotonic() + START_S
        ready = [str(PROGRAMS / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self._process = self._started(settings)
        while subprocess.run(ready, timeout=START_S, check=False).returncode:
            if time.monotonic() > until:
                self.kill()
                raise ServerError(f"the server does not answer: {self.said()}")
            if not self.running:  # children of one that was killed are still there
                self._process = self._started(settings)
            time.sleep(_POLL_S)

    def _started(self, settings: dict[str, str]) -> subprocess.Popen[bytes]:
        sets = [f"--{name}={value}" for name, value in {**_SETTINGS, **settings}.items()]
        command = [
            *(*_as_nobody(), str(PROGRAMS / "postgres"), "-D", str(self.folder / "data"), *sets),
            *("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)),
        ]
        with self._log.open("ab") as said:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def stop(self) -> None:
        """Ends it in order, whoever is connected. Raises ServerError."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)  # a fast shutdown
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired as fault:
            self.kill()
            raise ServerError(f"the server does not end: {self.said()}") from fault
        self._process = None

    def kill(self) -> None:
        """As a power cut would: nothing is written any more. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-500:] if self._log.exists() else ""

    def url(self, database: str) -> str:
        return f"postgresql://record@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """An empty database; its URL. Raises ServerError."""
        self._sql("postgres", f'CREATE DATABASE "{name}"')
        return self.url(name)

    def clear(self, name: str) -> None:
        """Ends whoever is connected to a database, and takes the rows of its tables away: that is
        a tenth of the time that a new one costs. Raises ServerError."""
        with _connection(self.url(name)) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            tables = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for table in [row[0] for row in tables]:
                db.execute(f'DELETE FROM "{table}"')

    def _sql(self, database: str, sql: str) -> None:
        with _connection(self.url(database)) as db:
            db.execute(sql)


@contextmanager
def _connection(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Raises ServerError."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as db:
            yield db
    except psycopg.Error as fault:
        raise ServerError(str(fault)) from fault


@contextmanager
def server() -> Iterator[Server]:
    """A server in a folder that vanishes with it. Raises ServerError."""
    # Not in anybody's own folder of temporary files: there NOBODY could not reach it.
    folder = Path(tempfile.mkdtemp(prefix="gridseal-postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY)
        found = Server(folder)
        found.create()
        found.start()
        try:
            yield found
        finally:
            found.stop()
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Backends may write for a moment after their server was killed."""
    until = time.monotonic() + STOP_S
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < until)
        time.sleep(_POLL_S)


def _as_nobody() -> list[str]:
    """Becomes somebody who is not root, and dies with whoever started it."""
    drop = ["--reuid", NOBODY, "--regid", "nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *drop, "--pdeathsig", "KILL", "--"]
