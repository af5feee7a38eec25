// Renews the part of the page that renews itself, and leads the focus to what went wrong. Without it
// everything works too: the page is then asked for again every few seconds.
"use strict";

(() => {
  const alert = document.getElementById("alert");
  if (alert) alert.focus();

  // A second press would send the form again, and tell that what the first one did is there already.
  const AGAIN_MS = 60000;
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const note = document.createElement("p");
    note.setAttribute("role", "status");
    note.className = "heard";
    form.append(note);
    const until = () => {
      delete form.dataset.sent;
      note.remove();
    };
    window.setTimeout(() => { note.textContent = "Working. This may take some seconds."; }, 300);
    window.setTimeout(until, AGAIN_MS);
    window.addEventListener("pageshow", until, { once: true });
  });

  const panel = document.getElementById("panel");
  const heard = document.getElementById("heard");
  if (!panel || !window.EventSource) return;

  const LOST = "No answer from this gateway any more. Is the cable in, the wireless on, the page " +
    "still running at the console? What is shown below is old; it goes on by itself.";
  const source = new EventSource(panel.dataset.events);
  let lost = 0;

  const say = (text) => {
    if (heard.textContent !== text) heard.textContent = text;
  };

  source.addEventListener("panel", (event) => {
    // Put together by the server, which escapes all that is not its own.
    panel.innerHTML = event.data;
    panel.removeAttribute("aria-busy");
    if (lost) say("The gateway answers again.");
    lost = 0;
  });
  source.addEventListener("heard", (event) => say(event.data));
  source.addEventListener("anew", () => {
    source.close();
    window.location.reload();
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      // It answered, and has nothing to renew here: signed out, or what was waited for is done.
      window.setTimeout(() => window.location.reload(), 500);
      return;
    }
    // The server ends each stream after a while, and the browser asks again: not yet a loss.
    lost += 1;
    if (lost > 1) {
      panel.setAttribute("aria-busy", "true");
      say(LOST);
    }
  });
})();
