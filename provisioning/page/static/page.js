// Renews the part of the page that renews itself, and leads the focus to what went wrong. Without it
// everything works too: the page is then asked for again every few seconds.
"use strict";

(() => {
  const alert = document.getElementById("alert");
  if (alert) alert.focus();

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
    // The server ends each stream after a while, and the browser asks again: not yet a loss.
    lost += 1;
    if (lost > 1) {
      panel.setAttribute("aria-busy", "true");
      say(LOST);
    }
  });
})();
