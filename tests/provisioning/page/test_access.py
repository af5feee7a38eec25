"""By keyboard alone, by a screen reader, in sunlight: and that what looks for faults finds them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from agent import config as agent_config
from tests.provisioning.page.audit import audited
from tests.provisioning.page.rig import NARROW, Browser, browser, console, until
from tests.provisioning.page.test_trouble import made

pytestmark = pytest.mark.timeout(120)


def test_by_keyboard_alone(chromium: Browser, tmp_path: Path) -> None:
    gateway = tmp_path / "gateway"
    with console(gateway, tmp_path / "console.log") as run:
        chromium.open(run.url)
        # Where there is nothing else to do.
        until(lambda: focused(chromium) == "code", "the focus in the field")
        keys(chromium, run.code(), Keys.ENTER)
        chromium.says("Name of this gateway")
        chromium.run("window.scrollTo(0, 0)")
        stops = to(chromium, "gateway")
        assert stops[0] == "Skip to the content"
        keys(chromium, "gw-keys")
        to(chromium, "site")
        keys(chromium, "Oklaunion")
        to(chromium, "buses")
        keys(chromium, Keys.END, " North")
        to(chromium, "More: plan, key, sources, record")
        keys(chromium, Keys.ENTER)
        to(chromium, "bench")
        keys(chromium, Keys.SPACE)
        chromium.shot("by-keyboard")
        to(chromium, "Make key and folder")
        keys(chromium, Keys.ENTER)
        chromium.says("Made: ")
        to(chromium, "Next: Site plan")
        keys(chromium, Keys.ENTER)
        chromium.says("By answering questions")
    found = agent_config.sketch(gateway / "gateway.toml")
    assert found.file.gateway.name == "gw-keys"
    assert [bus.name for bus in found.plan.bus] == ["Bus 1 North"]


def keys(shown: Browser, *typed: str) -> None:
    ActionChains(shown.driver).send_keys(*typed).perform()


def focused(shown: Browser) -> str:
    """The name of the field, or the words, where the focus is."""
    return str(
        shown.run(
            "const one = document.activeElement || document.body;"
            "return one.name || one.innerText.trim() || ''"
        )
    )


def to(shown: Browser, wanted: str) -> list[str]:
    """Tab until the focus is there; where it stopped on the way. It is seen at each stop."""
    stops: list[str] = []
    for _ in range(60):
        keys(shown, Keys.TAB)
        stops.append(focused(shown))
        outline = shown.run(
            "const s = getComputedStyle(document.activeElement);"
            "return [s.outlineStyle, parseFloat(s.outlineWidth)]"
        )
        assert outline[0] != "none" and outline[1] >= 3, f"no focus is seen at {stops[-1]!r}"
        if stops[-1] == wanted:
            return stops
    raise AssertionError(f"{wanted!r} is not reached by Tab; but {stops}")


def test_every_step_has_what_a_screen_reader_needs(chromium: Browser, tmp_path: Path) -> None:
    """Also of a gateway that has nothing yet, and narrow."""
    least = 21.0
    for folder in (tmp_path / "empty", made(tmp_path / "gateway")):
        with console(folder, tmp_path / f"{folder.name}.log") as run:
            chromium.sign_in(run)
            for name in ("identity", "plan", "sources", "live", "enrolment", "preflight", "report"):
                chromium.open(f"{run.url}step/{name}")
                chromium.resize(NARROW)
                found = audited(chromium.driver)
                assert not found["faults"], f"{name}: {found['faults']}"
                least = min(least, found["least"])
                landmarks = [len(chromium.all(one)) for one in ("header", "nav", "main", "footer")]
                assert landmarks == [1, 1, 1, 1]
                current = chromium.one("[aria-current]")
                assert current.get_attribute("aria-current") == "step"
    print(f"least contrast: {least:.2f}")


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("document.querySelector('label').remove()", "no label"),
        ("document.querySelector('.hint').style.color = '#777'", "contrast 4.48"),
        ("document.querySelector('.hint').style.fontSize = '11px'", "small type"),
        ("document.querySelector('main').append(new Image())", "no text for"),
        ("document.querySelector('h1').outerHTML = '<h3>x</h3>'", "0 h1"),
        ("document.querySelector('h1').style.width = '2000px'", "wider than"),
        ("document.querySelector('button').style.minHeight = '9px';"
         "document.querySelector('button').style.padding = '0'", "too low"),
        ("document.querySelectorAll('input')[2].id = 'gateway'", "id stands twice"),
    ],
)  # fmt: skip
def test_what_looks_for_faults_finds_them(
    looked: tuple[Browser, str], script: str, fault: str
) -> None:
    shown, url = looked
    shown.open(url)
    assert audited(shown.driver)["faults"] == []
    shown.run(script)
    assert any(fault in one for one in audited(shown.driver)["faults"])


@pytest.fixture(scope="module")
def looked(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], Path]
) -> Iterator[tuple[Browser, str]]:
    """A browser that is signed in, at the identity, for several tests."""
    folder = tmp_path_factory.mktemp("looked")
    programs = (program("chromium"), program("chromedriver"))
    with console(folder / "gw", folder / "log") as run, browser(*programs, folder) as shown:
        shown.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
        shown.sign_in(run)
        yield shown, f"{run.url}step/identity"


def test_nothing_is_asked_of_any_other_machine(chromium: Browser, tmp_path: Path) -> None:
    """Without internet all of it is there: every request that the browser made was to the page."""
    with console(tmp_path / "gw", tmp_path / "log") as run:
        chromium.sign_in(run)
        for name in ("identity", "live", "enrolment"):
            chromium.open(f"{run.url}step/{name}")
            asked = chromium.run(
                "return performance.getEntriesByType('resource').map(one => one.name)"
            )
            assert asked and all(one.startswith(run.url) for one in asked)
