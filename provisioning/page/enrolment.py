"""The step that has an authority know this gateway: a request and its answer, carried by file, by
QR code, or over the network by an invitation.

1. What is asked, judged and written is provisioning.enrol's, as `enrol request`, `accept` and
   `online` do it.
2. Whom to believe comes from the gateway's own anchors, from the invitation, or from a fingerprint
   that a person compared: never from the answer alone.
"""

import io
from collections.abc import AsyncIterator

import segno

from agent.config import HeldCredential, Sketch
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from provisioning import credential
from provisioning.authority import link
from provisioning.enrol import acceptance, answer, online, parcel, pending, qr, request
from provisioning.enrol.pending import FILE, Pending
from provisioning.enrol.request import Place
from provisioning.key import grouped
from provisioning.page import layout
from provisioning.page.desk import Desk
from provisioning.page.element import Html, joined, tag
from provisioning.page.sketch import sketched
from provisioning.page.step import Download, Form, FormError, Standing
from provisioning.placement import SystemDisk
from provisioning.plan import running
from provisioning.plan.difference import Consequence
from provisioning.source import RequestError

_COLUMNS = 77  # modules with their margin: what a phone shows with 4 pixels each
_SCALE = 5


class Enrolment:
    """The step."""

    name, title = "enrolment", "Enrolment"

    def standing(self, desk: Desk) -> Standing:
        sketch = sketched(desk.folder)
        if sketch is None:
            return Standing.WAITS
        try:
            held = request.place(desk.folder).held
            if held is None:
                return Standing.OPEN
            return Standing.FAULT if _wrong(sketch, held, desk.now() // NS) else Standing.DONE
        except ConfigError:
            return Standing.FAULT

    async def show(self, desk: Desk, form: Form) -> Html:
        if sketched(desk.folder) is None:
            return tag("p", "There is no gateway in this folder yet: begin with the identity.")
        place = request.place(desk.folder)
        waits = _waiting(desk)
        parts = await desk.do(lambda: _parts(waits)) if waits is not None else []
        return joined(
            _held(place, desk.now() // NS),
            tag("h2", "With a network: by an invitation"),
            _online(form),
            tag("h2", "Without one: a request and its answer"),
            _request(waits, parts, form),
            _answer(form, place) if waits is not None else None,
        )

    async def act(self, desk: Desk, act: str, form: Form) -> str:
        if act == "request":
            return await desk.do(lambda: _ask(desk, _role(form)))
        if act == "accept":
            data = _sent(form)
            return await desk.do(lambda: _accept(desk, data, form.text("fingerprint")))
        if act == "online":
            if not form.text("invitation"):
                raise FormError("Give the invitation, the one string from the authority.")
            return await desk.do(lambda: _by_network(desk, form.text("invitation"), _role(form)))
        raise FormError(f"there is no {act!r} here")

    def panel(self, desk: Desk) -> AsyncIterator[tuple[Html, str]] | None:
        return None

    async def download(self, desk: Desk, name: str) -> Download | None:
        waits = _waiting(desk)
        if waits is None:
            return None
        if name == FILE:
            packed = parcel.pack(waits.encoded)
            return Download(name, "application/octet-stream", packed)
        parts = await desk.do(lambda: _parts(waits))
        for at, text in enumerate(parts, 1):
            if name == f"qr-{at}.png":
                return Download(name, "image/png", _picture(text), inline=True)
        return None


# --- what is done


def _waiting(desk: Desk) -> Pending | None:
    """The request that waits; one that is damaged counts as none: the next replaces it."""
    try:
        return pending.read(desk.folder)
    except RequestError:
        return None


def _role(form: Form) -> str:
    """Empty: as the sources say."""
    return "bench" if form.text("bench") == "yes" else ""


def _ask(desk: Desk, role: str) -> str:
    """Raises RequestError, ConfigError, KeyStoreError, PlacementError."""
    made = request.asked(request.place(desk.folder), role, desk.now(), desk.random, None)
    pending.keep(desk.folder, made, SystemDisk())
    return f"Request {made.name.hex()[:16]} is made. It is the newest, and only its answer counts."


def _accept(desk: Desk, data: bytes, fingerprint: str) -> str:
    """Raises RequestError, ConfigError, KeyStoreError, PlacementError."""
    place, waits = request.place(desk.folder), pending.read(desk.folder)

    def vouch(claimed: str) -> str:
        if not fingerprint:
            raise FormError(
                "This gateway believes nobody yet. Have the authority read out its fingerprint, by"
                " telephone, and fill it in.",
                "fingerprint",
            )
        return fingerprint

    return _taken(desk, place, waits, data, vouch)


def _by_network(desk: Desk, invitation: str, role: str) -> str:
    """Raises RequestError, ConfigError, KeyStoreError, PlacementError."""
    place, to, now_ns = request.place(desk.folder), link.read(invitation), desk.now()
    waits = _waiting(desk)
    if waits is None or not request.current(place, waits, role, now_ns):
        waits = request.asked(place, role, now_ns, desk.random, None)
    # Kept first: where an answer is lost on the way, the same request is given it again.
    pending.keep(desk.folder, waits, SystemDisk())
    data = online.fetched(to, waits.encoded)
    # Who invited named the server, and so whose answer this is.
    return _taken(desk, place, waits, data, lambda claimed: claimed)


def _taken(
    desk: Desk, place: Place, waits: Pending | None, data: bytes, vouch: answer.Vouch
) -> str:
    if waits is None:
        raise RequestError("no request waits here: make one first")
    found = answer.judged(place, waits, data, vouch, desk.now(), None)
    made = acceptance.change_of(place, waits, found, desk.now())
    acceptance.apply(desk.folder, made)
    return f"Done: {made.what}. The agent goes by it when it is started again."


def _sent(form: Form) -> bytes:
    """The answer: a file, or the text of scanned codes. Raises FormError, RequestError."""
    data = form.file("answer") or form.text("scanned").encode()
    if not data:
        raise FormError("Choose the answer's file, or put in what was scanned.")
    return parcel.unpack(data)


# --- how it is shown


def _wrong(sketch: Sketch, held: HeldCredential, now_s: int) -> str:
    """Why the agent does not go by this credential; empty where it does. Raises ConfigError."""
    says = held.says
    if not says.not_before_s <= now_s < says.expires_s:
        return "It is not in force by this machine's clock."
    lacks = [
        one for one in running.granted(sketch, sketch.plan) if Consequence.CREDENTIAL in one.means
    ]
    if not lacks:
        return ""
    first = lacks[0]
    more = f", and {len(lacks) - 1} more" if len(lacks) > 1 else ""
    return f"The site plan was changed since ({first.of} {first.key}{more}): ask for a new one."


def _held(place: Place, now_s: int) -> Html:
    if place.held is None:
        return tag("p", layout.word("to do"), " No authority knows this gateway yet.")
    says = place.held.says
    wrong = _wrong(place.sketch, place.held, now_s)
    buses = [bus.name for bus in place.sketch.plan.bus if bus.node() in says.buses]
    return joined(
        tag("p", layout.word("fault" if wrong else "ok"),
            f" {wrong or 'The credential is in force.'}"),
        layout.facts(
            [
                ("Gateway", f"{says.subject}, as {says.role}"),
                ("From", credential.instant(says.not_before_s)),
                ("To", credential.instant(says.expires_s)),
                ("Buses", ", ".join(buses) or "none of the plan"),
                ("Key", tag("code", " ".join(grouped(says.key.fingerprint)))),
            ]
        ),
    )  # fmt: skip


def _online(form: Form) -> Html:
    return layout.form(
        *("enrolment", "online", form.token),
        layout.field(
            "invitation", "Invitation", form.texts.get("invitation", ""), required=True,
            hint="The one string that the authority handed over. It is used once.",
        ),
        _bench(form),
        layout.button("Ask the authority now"),
    )  # fmt: skip


def _bench(form: Form, mark: str = "") -> Html:
    label = "For a bench: all devices are simulated"
    return layout.tick("bench", label, checked=form.text("bench") == "yes", mark=mark)


def _request(waits: Pending | None, parts: list[str], form: Form) -> Html:
    label = "Make a request" if waits is None else "Make another request"
    press = layout.button(label, quiet=waits is not None)
    again = layout.form("enrolment", "request", form.token, _bench(form, "stick-"), press)
    if waits is None:
        text = (
            "A request goes to the authority on a stick or as QR codes, and its answer comes back."
        )
        return joined(tag("p", text), again)
    made = credential.instant(BUILT_IN.utc_ns(waits.request.tai) // NS)
    href = f"/step/enrolment/file/{FILE}"
    name = waits.name.hex()[:16]
    pictures = [
        tag("figure",
            tag("img", src=f"/step/enrolment/file/qr-{at}.png?of={name}", class_="qr",
                alt=f"QR code {at} of {len(parts)} of the request; its text stands below"),
            tag("figcaption", f"Code {at} of {len(parts)}"))
        for at in range(1, len(parts) + 1)
    ]  # fmt: skip
    return joined(
        tag("p", f"Request {name} of {made} waits for its answer."),
        tag("p", tag("a", "Download the request", href=href, class_="button", download=FILE)),
        tag("details", tag("summary", f"As {len(parts)} QR codes"),
            tag("div", *pictures, class_="codes"),
            tag("p", "The text of the codes:"), tag("pre", "\n".join(parts), class_="raw")),
        again,
    )  # fmt: skip


def _answer(form: Form, place: Place) -> Html:
    wrong = "fill it in" if form.wrong == "fingerprint" else ""
    needed = not place.sketch.path(place.sketch.file.record.anchors).exists()
    return joined(
        tag("h3", "The answer"),
        layout.form(
            *("enrolment", "accept", form.token),
            layout.field("answer", "The answer's file", kind="file"),
            layout.area("scanned", "Or what was scanned from its QR codes",
                        form.text("scanned"), rows=3),
            layout.field(
                "fingerprint", "Fingerprint of the authority", form.text("fingerprint"),
                hint="As it reads it out, 32 digits of it at least.", wrong=wrong,
            ) if needed else None,
            layout.button("Take the answer"),
            files=True,
        ),
    )  # fmt: skip


def _parts(waits: Pending) -> list[str]:
    return qr.split(parcel.pack(waits.encoded), _COLUMNS)


def _picture(text: str) -> bytes:
    drawn = io.BytesIO()
    code = segno.make_qr(text, error="m", mode="alphanumeric", boost_error=False)
    code.save(drawn, kind="png", scale=_SCALE, border=4)
    return drawn.getvalue()
