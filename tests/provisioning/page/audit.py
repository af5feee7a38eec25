"""What a page must have for whoever reads it in sunlight, by keyboard, or by a screen reader:
looked up in the browser, as it is drawn.
"""

from typing import Any

from selenium.webdriver.chrome.webdriver import WebDriver

CONTRAST_MIN = 7.0  # WCAG 2.2, 1.4.6
TARGET_MIN = 44  # pixels of CSS: WCAG 2.2, 2.5.5

_FAULTS = """
const faults = [];
const shown = one => one.getClientRects().length > 0;
const all = css => [...document.querySelectorAll(css)];
const named = one => one.outerHTML.slice(0, 90);

// Names and structure.
if (!document.documentElement.lang) faults.push('no language');
if (all('h1').length !== 1) faults.push(all('h1').length + ' h1');
for (const css of ['header', 'main'])
  if (all(css).length !== 1) faults.push(all(css).length + ' ' + css);
if (!document.title.trim()) faults.push('no title');
let level = 1;
for (const one of all('h1, h2, h3, h4')) {
  const now = Number(one.tagName[1]);
  if (now > level + 1) faults.push('heading skips a level: ' + named(one));
  level = now;
}
for (const one of all('input:not([type=hidden]), select, textarea'))
  if (![...(one.labels || [])].some(label => label.textContent.trim()))
    faults.push('no label: ' + named(one));
for (const one of all('img')) if (!one.alt.trim()) faults.push('no text for: ' + named(one));
for (const one of all('svg')) {
  const by = (one.getAttribute('aria-labelledby') || '').split(' ').map(id =>
    document.getElementById(id));
  if (one.getAttribute('role') !== 'img' || !by.every(part => part && part.textContent.trim()))
    faults.push('no text for: ' + named(one));
  if (!one.parentElement.querySelector('table')) faults.push('no table beside: ' + named(one));
}
for (const one of all('button, a'))
  if (!one.textContent.trim()) faults.push('says nothing: ' + named(one));
for (const one of all('table')) if (!one.caption) faults.push('no caption: ' + named(one));
for (const one of all('[aria-describedby]'))
  for (const id of one.getAttribute('aria-describedby').split(' '))
    if (!document.getElementById(id)) faults.push('describes by nothing: ' + named(one));
const ids = all('[id]').map(one => one.id);
for (const id of new Set(ids))
  if (ids.filter(one => one === id).length > 1) faults.push('id stands twice: ' + id);
if (all('[style], [onclick], script:not([src])').length) faults.push('inline style or script');

// What is drawn.
const numbers = text => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => {
  const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = one => {
  for (; one; one = one.parentElement) {
    const found = numbers(getComputedStyle(one).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const ratio = (a, b) => {
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let least = 21;
while (walker.nextNode()) {
  const one = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !shown(one)) continue;
  if (['SCRIPT', 'STYLE', 'NOSCRIPT', 'TITLE', 'title', 'desc'].includes(one.tagName)) continue;
  const style = getComputedStyle(one);
  const colour = numbers(one.closest('svg') ? style.fill : style.color);
  const found = ratio(colour, behind(one));
  least = Math.min(least, found);
  if (found < arguments[0] - 0.005)
    faults.push('contrast ' + found.toFixed(2) + ': ' + named(one));
  if (parseFloat(style.fontSize) < 15) faults.push('small type: ' + named(one));
}
for (const one of all('svg line, svg polygon, svg circle')) {
  const style = getComputedStyle(one);
  const colour = numbers(one.tagName === 'polygon' ? style.fill : style.stroke);
  if (ratio(colour, behind(one)) < 4.5) faults.push('faint line: ' + named(one));
}
for (const one of all('button, nav a, .button, select, input:not([type=hidden])')) {
  if (!shown(one)) continue;
  const target = one.type === 'checkbox' ? one.parentElement : one;
  if (target.getBoundingClientRect().height < arguments[1]) faults.push('too low: ' + named(one));
}
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width)
  faults.push('wider than the screen: ' + document.documentElement.scrollWidth + ' of ' + width);
return {faults, least};
"""


def audited(driver: WebDriver) -> dict[str, Any]:
    """`faults`: all that is wrong, in words; `least`: the least contrast of a text."""
    found: dict[str, Any] = driver.execute_script(_FAULTS, CONTRAST_MIN, TARGET_MIN)
    return found


def sound(driver: WebDriver) -> None:
    """Fails the test where something is wrong."""
    faults = audited(driver)["faults"]
    assert not faults, f"{driver.current_url}: {faults}"
