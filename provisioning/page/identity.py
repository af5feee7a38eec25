"""The first step: a name, a key of its own, and the gateway's folder.

What is made is provisioning.enrol.founding's, as `gridseal-provision new` makes it. A private key
is never shown, and no PIN is asked for here: a store whose PIN has no source of its own is refused.
"""

from collections.abc import AsyncIterator

from drivers.keystore import uri as keystore
from drivers.keystore.uri import KeyStoreError
from evidence.key import PublicKey
from provisioning import source
from provisioning.enrol import founding
from provisioning.enrol.founding import Wanted
from provisioning.init import GATEWAY
from provisioning.key import grouped
from provisioning.page import layout
from provisioning.page.desk import Desk
from provisioning.page.element import Html, joined, tag
from provisioning.page.sketch import sketched
from provisioning.page.step import Download, Form, FormError, Standing

KEY = "file:device.key"


class Identity:
    """The step."""

    name, title = "identity", "Identity"

    def standing(self, desk: Desk) -> Standing:
        if sketched(desk.folder) is not None:
            return Standing.DONE
        return Standing.FAULT if (desk.folder / GATEWAY).exists() else Standing.OPEN

    async def show(self, desk: Desk, form: Form) -> Html:
        if (desk.folder / GATEWAY).exists():
            return await _shown(desk)
        return _asked(form)

    async def act(self, desk: Desk, act: str, form: Form) -> str:
        if act != "make":
            raise FormError(f"there is no {act!r} here")
        wanted = _wanted(desk, form)
        made = await desk.do(lambda: founding.found(wanted, desk.random, None))
        return f"Made: {', '.join(made.files)}. Device key {made.device.fingerprint[:16]}."

    def panel(self, desk: Desk) -> AsyncIterator[tuple[Html, str]] | None:
        return None

    async def download(self, desk: Desk, name: str) -> Download | None:
        return None


def _wanted(desk: Desk, form: Form) -> Wanted:
    """What was filled in. Raises FormError, RequestError."""
    plan, anchors = (_file(form, name) for name in ("plan", "anchors"))
    for name, what in (("gateway", "this gateway"), ("site", "the site")):
        if not form.text(name) and (name == "gateway" or plan is None):
            raise FormError(f"Say the name of {what}.", name)
    urls = form.text("sources").splitlines()
    sources = [source.parse(url.strip(), at) for at, url in enumerate(urls, 1) if url.strip()]
    buses = [bus.strip() for bus in form.text("buses").splitlines() if bus.strip()]
    return Wanted(
        desk.folder,
        form.text("gateway"),
        form.text("key") or KEY,
        plan=plan,
        site=form.text("site"),
        buses=() if plan is not None else buses,
        sources=sources,
        record=form.text("record"),
        anchors=anchors,
        simulated=form.text("bench") == "yes",
        existing=form.text("existing") == "yes",
    )


def _file(form: Form, name: str) -> str | None:
    """The text of a file that was sent; None: none was. Raises FormError."""
    data = form.file(name)
    if not data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as fault:
        raise FormError("That file is no UTF-8 text.", name) from fault


def _asked(form: Form) -> Html:
    def field(name: str, label: str, value: str = "", **more: str | bool) -> Html:
        wrong = "say it" if form.wrong == name else ""
        told = {"hint": "", "required": False, "kind": "text", **more}
        return layout.field(
            name, label, form.texts.get(name, value), wrong=wrong,
            hint=str(told["hint"]), required=bool(told["required"]), kind=str(told["kind"]),
        )  # fmt: skip

    more = tag(
        "details",
        tag("summary", "More: plan, key, sources, record"),
        field("plan", "Site plan, a file", kind="file", hint="site.toml, where there is one."),
        field("anchors", "Whom to believe, a file", kind="file", hint="anchors.toml."),
        field("key", "Where the key is", KEY, hint=f"{KEY}, pkcs11:..., or tpm:..."),
        layout.tick("existing", "The key is there already", checked=form.text("existing") == "yes"),
        layout.area("sources", "Sources by URL, one a line", form.text("sources"), rows=2),
        field("record", "Address of the record", hint="Where the authority does not say it."),
        layout.tick("bench", "All devices are simulated", checked=form.text("bench") == "yes"),
        open=bool(form.texts.get("key", KEY) != KEY or form.text("sources")),
    )
    return joined(
        tag(
            "p",
            "A gateway begins with a name and a key of its own. The key is made here, and stays"
            " here: nobody is shown it, and it is in no copy.",
        ),
        layout.form(
            *("identity", "make", form.token),
            field(
                "gateway",
                "Name of this gateway",
                required=True,
                hint="Such as gw-north-1. Everybody may read it.",
            ),
            field(
                "site",
                "Name of the site",
                required=True,
                hint="Such as Oklaunion. It stays hidden in what is signed.",
            ),
            layout.area("buses", "Its buses, one a line", form.texts.get("buses", "Bus 1"), rows=2),
            more,
            layout.button("Make key and folder"),
            files=True,
        ),
    )


async def _shown(desk: Desk) -> Html:
    sketch = sketched(desk.folder)
    if sketch is None:
        from agent import config

        config.sketch(desk.folder / GATEWAY)  # says what is wrong
        return joined()
    told = sketch.file.gateway
    try:
        key: PublicKey | None = await desk.do(lambda: keystore.show(told.key, desk.folder, None))
        trouble = ""
    except KeyStoreError as fault:
        key, trouble = None, str(fault)
    rows: list[tuple[str, Html | str]] = [
        ("Gateway", told.name),
        ("Site", sketch.plan.site.name),
        ("Buses", ", ".join(bus.name for bus in sketch.plan.bus)),
        ("Key is in", keystore.shown(told.key)),
    ]
    if key is not None:
        rows += [
            ("Key id", tag("code", key.kid.hex())),
            ("Fingerprint", tag("code", " ".join(grouped(key.fingerprint)))),
        ]
    return joined(
        layout.alert(f"The key cannot be looked at: {trouble}") if trouble else None,
        layout.facts(rows),
        tag("p", "The authority compares this fingerprint with what you read out to it."),
    )
