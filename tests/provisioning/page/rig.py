"""The page as its user meets it: the program at its console, and a browser in front of it.

1. The browser is Debian's, without a window, with a profile of its own that goes with the test.
2. Every wait is bounded. Whatever the test does, program and browser end with it.
3. Screenshots are kept below the test's folder, and where GRIDSEAL_SCREENSHOTS says, there too.
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import (
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from provisioning.page import address, service
from provisioning.page.address import Address

WAIT_S = 40.0  # for anything: another's tests may have the machine
WIDE, NARROW = (1280, 900), (360, 740)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--force-device-scale-factor=1", "--hide-scrollbars",
)  # fmt: skip


class Console:
    """`gridseal-provision serve`, and what it says. `said`: its objects, in order."""

    def __init__(self, folder: Path, log: Path, *arguments: str) -> None:
        self.log = log
        argv = [sys.executable, "-m", "provisioning.cli", "serve", str(folder), *arguments]
        if not {"--listen", "--interface"} & set(arguments):
            argv += ["--listen", "127.0.0.1:0"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*argv, "--json"], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        try:
            until(lambda: len(self.said()) > 1 or self.process.poll() is not None, "the console")
        except AssertionError:
            self.process.kill()
            raise

    def said(self) -> list[dict[str, Any]]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def url(self) -> str:
        return str(self.said()[0]["url"])

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    @property
    def fingerprint(self) -> str:
        return str(self.said()[0]["fingerprint"])

    def codes(self) -> list[str]:
        return [told["code"] for told in self.said() if "code" in told]

    def code(self) -> str:
        """The latest."""
        return self.codes()[-1]

    def end(self) -> int:
        """Ends it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Inside:
    """The page within this process, by a clock that the test moves: for what takes ten minutes."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.shift_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        where = Address("127.0.0.1", 0)
        heard = address.opened(where)
        self.url = where.url(heard.getsockname()[1])
        started = service.start(
            *(folder, where, heard, time.time_ns, os.urandom),
            *(lambda shown, plain: None, self.said.append, self._now_s),
        )
        self._service = asyncio.run_coroutine_threadsafe(started, self._loop).result(WAIT_S)

    def _now_s(self) -> float:
        return time.monotonic() + self.shift_s

    def code(self) -> str:
        return self.said[-1]

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._service.close(), self._loop).result(WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()


@contextlib.contextmanager
def console(folder: Path, log: Path, *arguments: str) -> Iterator[Console]:
    """The program, for as long as the block lasts."""
    run = Console(folder, log, *arguments)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()


class Browser:
    """Debian's Chromium. `shots`: where screenshots go."""

    def __init__(self, driver: webdriver.Chrome, shots: Path) -> None:
        self.driver, self._shots = driver, shots
        self._number = 0

    def open(self, url: str) -> None:
        self.driver.get(url)

    def resize(self, size: tuple[int, int]) -> None:
        """As a device of this size in pixels of CSS: a window is never narrower than 500."""
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def shot(self, name: str) -> Path:
        """The whole page as it is, wide or narrow."""
        size = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        self._number += 1
        path = self._shots / f"{self._number:02d}-{name}-{size[0]}.png"
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 6000), "scale": 1}
        told = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
        path.write_bytes(base64.b64decode(told["data"]))
        return path

    def both(self, name: str, look: Callable[[webdriver.Chrome], None]) -> None:
        """Wide and narrow, each looked at."""
        for size in (WIDE, NARROW):
            self.resize(size)
            self.shot(name)
            look(self.driver)
        self.resize(WIDE)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, css: str) -> Sequence[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        until(lambda: bool(self.all(css)), f"{css} on {self.driver.current_url}")
        return self.all(css)[0]

    def text(self) -> str:
        return "".join(self.words("body"))

    def words(self, css: str) -> list[str]:
        """What each of these says, in one step: a live page may replace one between two."""
        script = "return [...document.querySelectorAll(arguments[0])].map(one => one.innerText)"
        return [str(text) for text in self.run(script, css)]

    def word(self, css: str) -> str:
        """What the first of these says; waits for one."""
        until(lambda: bool(self.words(css)), f"{css} on {self.driver.current_url}")
        return next(iter(self.words(css)), "")

    def says(self, *words: str, within_s: float = WAIT_S) -> None:
        """Waits until the page says all of this."""
        try:
            until(lambda: all(word in self.text() for word in words), "", within_s)
        except AssertionError:
            raise AssertionError(f"{words} not on the page:\n{self.text()}") from None

    def fill(self, **fields: str) -> None:
        """Types into fields by their names; a choice is chosen by its value."""
        for name, value in fields.items():
            field = self.one(f'[name="{name}"]')
            if field.tag_name == "select":
                field.find_element(By.CSS_SELECTOR, f'option[value="{value}"]').click()
                continue
            if field.get_attribute("type") != "file":
                field.clear()
            field.send_keys(value)

    def paste(self, name: str, text: str) -> None:
        """Into an area, at once: keys would take minutes."""
        field = self.one(f'[name="{name}"]')
        self.run("arguments[0].value = arguments[1]", field, text)

    def press(self, label: str) -> None:
        """The button, or the link, of these words; waits for the page after it."""
        script = """return [...document.querySelectorAll("button, a")]
            .find(one => one.innerText.trim() === arguments[0])"""
        before = self.one("html")
        found = self.run(script, label)
        assert found, f"no button {label!r} in:\n{self.text()}"
        found.click()
        until(lambda: _gone(before), f"the page after {label!r}")

    def sign_in(self, run: Console | Inside) -> None:
        self.open(run.url)
        self.fill(code=run.code())
        self.press("Sign in")


def _gone(element: WebElement) -> bool:
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    except WebDriverException:
        return False
    return False


@contextlib.contextmanager
def browser(chromium: Path, chromedriver: Path, folder: Path, *flags: str) -> Iterator[Browser]:
    """A browser for as long as the block lasts; its profile in the folder."""
    folder.mkdir(exist_ok=True)
    profile, shots = folder / "profile", folder / "screenshots"
    profile.mkdir(exist_ok=True)
    shots.mkdir(exist_ok=True)
    options = Options()
    options.binary_location = str(chromium)
    options.accept_insecure_certs = True  # what a technician does after the comparison
    for flag in (*FLAGS, f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    service = Service(str(chromedriver), log_output=str(folder / "chromedriver.log"))
    driver = webdriver.Chrome(options, service)
    driver.set_page_load_timeout(WAIT_S)
    try:
        shown = Browser(driver, shots)
        shown.resize(WIDE)
        yield shown
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)
        kept = os.environ.get("GRIDSEAL_SCREENSHOTS")
        if kept:
            shutil.copytree(shots, Path(kept) / folder.name, dirs_exist_ok=True)
        print(f"screenshots: {kept or shots}")


def until(true: Callable[[], bool], what: str, within_s: float = WAIT_S) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


def numbers(text: str) -> list[float]:
    """Every number in a text."""
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text)]
