// What renews itself: figures of the diagram ten times a second, tables and the feed when they
// change; buttons without leaving the page. What is not measured is a dash, and no figure.

const all = css => [...document.querySelectorAll(css)];
const one = id => document.getElementById(id);
const RADIUS = 40;
const DEAD_A = 5; // of a circuit that carries nothing but noise
const AGAIN_MS = 2000; // before the demo is asked again where the browser gave up
const NONE = '\u2013';

function put(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

function figure(value, digits, unit) {
  return value === undefined ? NONE : `${value.toFixed(digits)} ${unit}`;
}

// --- the diagram

function hands(stream) {
  const most = {V: Math.max(...stream.v.map(p => p[0]), 1), I: 0};
  if (stream.i) most.I = Math.max(...stream.i.map(p => p[0]), most.V / 1000, 1);
  for (const [letter, trio, share] of [['V', stream.v, 1], ['I', stream.i, 0.75]]) {
    if (!trio) continue;
    trio.forEach(([size, degrees], at) => {
      const name = `${stream.name}.${letter}${'ABC'[at]}`;
      const turn = degrees * Math.PI / 180;
      const length = RADIUS * share * size / most[letter];
      const x = (length * Math.cos(turn)).toFixed(1), y = (-length * Math.sin(turn)).toFixed(1);
      for (const hand of all(`[data-hand="${name}"]`)) {
        hand.setAttribute('x2', x);
        hand.setAttribute('y2', y);
      }
      for (const tip of all(`[data-tip="${name}"]`)) {
        tip.setAttribute('x', (1.18 * x).toFixed(1));
        tip.setAttribute('y', (1.18 * y + 4).toFixed(1));
      }
    });
  }
}

function end(stream) {
  if (stream.position) breaker(stream);
  if (!stream.v) return;
  const amps = stream.i?.[0][0];
  const dead = amps < DEAD_A; // whether a breaker is open, its relay says, and no current
  const figures = {
    flow: dead ? 'no current' : figure(stream.mw, 1, 'MW'),
    level: `${(stream.v[0][0] / 1000).toFixed(1)} kV ${figure(amps, 0, 'A')}`,
    hz: stream.stale ? `${stream.age_s} s late` : figure(stream.hz, 3, 'Hz'),
  };
  for (const [what, text] of Object.entries(figures))
    for (const node of all(`[data-at="${stream.name}.${what}"]`)) {
      put(node, text);
      node.classList.toggle('is-odd', what === 'hz' && stream.stale);
      node.classList.toggle('is-stale', stream.stale);
    }
  for (const dial of all(`[data-dial="${stream.name}"]`))
    dial.classList.toggle('is-stale', stream.stale);
  for (const wire of all('[data-ends]'))
    if (wire.dataset.ends.split(' ').includes(stream.name))
      wire.classList.toggle('is-dead', dead);
  for (const flow of all(`[data-flow="${stream.name}"]`)) {
    flow.classList.toggle('is-none', dead || stream.stale || stream.mw === undefined);
    flow.classList.toggle('is-back', stream.mw < 0);
  }
  hands(stream);
}

function isLate(stream) {
  return stream.stale || stream.old_s !== undefined;
}

function ago(stream) {
  return stream.old_s === undefined ? '' : `, ${stream.old_s} s ago`;
}

function breaker(stream) {
  for (const node of all(`[data-at="${stream.name}.position"]`)) {
    put(node, `${stream.name}: ${stream.position}${ago(stream)}`);
    node.classList.toggle('is-odd', isLate(stream) || stream.position !== 'closed');
  }
  for (const node of all(`[data-at="${stream.name}.stands"]`)) // the same, where there is no room
    odd(node, stream.position + ago(stream), !isLate(stream) && stream.position === 'closed');
  for (const node of all(`[data-breaker="${stream.name}"]`))
    for (const position of ['open', 'closed', 'between'])
      node.classList.toggle(`is-${position}`, stream.position === position);
}

function odd(node, text, good) {
  put(node, text);
  node.classList.toggle('is-odd', !good);
}

// --- streams: cells of the table that is there; a new one asks for the page's own

const SEEN = new Map();

function values(stream) {
  if (!stream.v) return (stream.says || '') + ago(stream);
  const late = stream.stale ? `, ${stream.age_s} s late` : '';
  return [
    `${(stream.v[0][0] / 1000).toFixed(1)} kV`, figure(stream.i?.[0][0], 0, 'A'),
    figure(stream.mw, 1, 'MW'), figure(stream.hz, 3, 'Hz'),
  ].join(', ') + late;
}

function many(count, what) {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

async function rows(streams) {
  const names = streams.map(stream => `${stream.gateway} ${stream.stream}`).join('\n');
  const table = document.querySelector('#streams table');
  if (!table || table.dataset.names !== names) {
    if (SEEN.get('asked') === names) return;
    SEEN.set('asked', names);
    const text = await (await fetch('.', {cache: 'no-store'})).text();
    const found = new DOMParser().parseFromString(text, 'text/html').querySelector('#streams table');
    if (!found || found.tBodies[0].rows.length !== streams.length) {
      SEEN.delete('asked');
      return;
    }
    found.dataset.names = names;
    one('streams').replaceChildren(found);
    return;
  }
  streams.forEach((stream, at) => {
    const cells = table.tBodies[0].rows[at].cells;
    odd(cells[2].querySelector('span'), values(stream), !isLate(stream));
    odd(cells[3].querySelector('span'), stream.grade, stream.good);
    const link = cells[4].querySelector('a');
    if (link && link.dataset.sample !== stream.sample) {
      link.dataset.sample = stream.sample;
      link.href = `?sample=${encodeURIComponent(stream.sample)}#sample`;
      put(link, stream.sample);
    }
    const of = stream.gaps ? ` of ${stream.missing}` : '';
    put(cells[5].firstElementChild,
        `${many(stream.samples, 'sample')}, ${many(stream.gaps, 'gap')}${of}`);
  });
}

// --- events

let moments = 0;

function now(told) {
  moments += 1;
  document.body.dataset.moments = moments;
  document.body.classList.remove('is-gone');
  put(one('state'), told.state);
  for (const [at, [text, good]] of Object.entries(told.figures || {})) {
    for (const node of all(`[data-at="${at}"]`)) odd(node, text, good);
    for (const link of all('[data-link]'))
      if (at === `${link.dataset.link}.link`) link.classList.toggle('is-odd', !good);
  }
  const streams = told.streams || []; // before the first look there are none
  streams.forEach(end);
  if (moments % 5 === 1) rows(streams);
}

function slow(told) {
  for (const seam of told.seams) {
    for (const what of ['verdict', 'measure', 'share'])
      for (const node of all('[data-seam]'))
        if (node.dataset.seam === `${seam.seam}.${what}`)
          odd(node, seam[what] || NONE, what !== 'verdict' || seam.verdict.startsWith('agreed'));
  }
  const seams = one('seams');
  if (seams.dataset.told !== told.table) {
    seams.dataset.told = told.table;
    seams.innerHTML = told.table;
  }
  for (const button of told.buttons) {
    const node = one(`do-${button.name}`);
    const state = button.busy ? ' (under way)' : '';
    put(node, button.label + state);
    node.classList.toggle('is-done', button.done);
    node.disabled = button.busy || Boolean(button.why_not);
  }
}

function gone() {
  document.body.classList.add('is-gone');
  put(one('state'), 'The demo does not answer: it has ended, or is about to.');
}

function listen() {
  const events = new EventSource('events');
  events.addEventListener('now', event => now(JSON.parse(event.data)));
  events.addEventListener('slow', event => slow(JSON.parse(event.data)));
  events.addEventListener('feed', event => {
    const told = JSON.parse(event.data);
    one('feed').innerHTML = told.html;
    put(one('newest'), told.newest);
  });
  events.addEventListener('error', () => {
    gone();
    // An answer that is no stream ends an EventSource: as many look already as may.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  });
}
listen();

// --- buttons and samples

for (const form of all('#buttons form'))
  form.addEventListener('submit', async event => {
    event.preventDefault();
    try {
      const answer = await fetch(form.action, {
        method: 'POST', body: new URLSearchParams(new FormData(form)),
        headers: {Accept: 'application/json'},
      });
      // Another demo has the port now, and another token: its page is another one.
      if (answer.status === 403) return location.reload();
      const {why_not: why} = await answer.json();
      if (why) put(one('newest'), `${form.querySelector('button').textContent}: ${why}`);
    } catch { gone(); }
  });

document.addEventListener('click', async event => {
  const link = event.target.closest('a[data-sample]');
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  try {
    const answer = await fetch(`sample?name=${encodeURIComponent(link.dataset.sample)}`);
    if (!answer.ok) return gone();
    one('sample').innerHTML = await answer.text();
    one('sample').scrollIntoView({block: 'nearest'});
  } catch { gone(); }
});
