// What renews itself: the part of the page that the server puts together anew, asked for every two
// seconds, put in the old one's place where it changed.
//
// 1. Whoever reads there with the keyboard, or has marked text, is not disturbed: it waits.
// 2. What was opened stays open.
// 3. A record that does not answer is told once, and what is old is marked.

const EVERY_MS = 2000;
const now = document.getElementById('now');
const heard = document.getElementById('heard');
let before = '';

function busy() {
  const marked = document.getSelection();
  return now.contains(document.activeElement)
    || (marked && !marked.isCollapsed && now.contains(marked.anchorNode));
}

function put(text) {
  const open = [...now.querySelectorAll('details[open]')].map(one => one.id);
  const made = new DOMParser().parseFromString(text, 'text/html');
  now.replaceChildren(...made.body.childNodes);
  for (const id of open) {
    const one = document.getElementById(id);
    if (one) one.open = true;
  }
}

function ages() {
  for (const one of document.querySelectorAll('time')) {
    const seconds = Math.round((Date.now() - Date.parse(one.dateTime)) / 1000);
    const age = one.nextElementSibling;
    if (!age || !age.classList.contains('age') || Number.isNaN(seconds)) continue;
    age.textContent = ` (${words(Math.abs(seconds))} ${seconds < 0 ? 'ahead of' : 'ago by'} this browser’s clock)`;
  }
}

function words(seconds) {
  for (const [unit, length] of [['d', 86400], ['h', 3600], ['min', 60]])
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  return `${seconds} s`;
}

async function renew() {
  try {
    const answer = await fetch(now.dataset.from, {cache: 'no-store'});
    if (!answer.ok) throw new Error(await answer.text());
    const text = await answer.text();
    if (text !== before && !busy()) {
      put(text);
      before = text;
    }
    if (heard.textContent) heard.textContent = '';
    now.removeAttribute('aria-busy');
  } catch {
    if (!heard.textContent) heard.textContent = 'The record does not answer; what is below is old.';
    now.setAttribute('aria-busy', 'true');
  }
  ages();
  setTimeout(renew, EVERY_MS);
}

ages();
setTimeout(renew, EVERY_MS);
