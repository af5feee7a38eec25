// What the gateway says, put into the page as text: never as markup.
//
// 1. Phasors move with every event; figures in tables four times a second, the trace twice: faster
//    than that nobody reads.
// 2. When the gateway says nothing, what is shown is marked as old, in words; the browser comes back
//    by itself, and is made to where it gave up: an answer that is no stream ends an EventSource.
// 3. The trace is drawn by when a frame was heard: a device whose clock is wrong moves no other's.

import {Dial, Trace} from './drawing.js';

const FIGURES_MS = 250, TRACE_MS = 500, OLD_MS = 3000, RATE_MS = 2000, AGAIN_MS = 2000;
const one = id => document.getElementById(id);
const dial = new Dial(one('dial')), trace = new Trace(one('trace'));
const TROUBLES_MOST = 12;  // what is beyond is counted: the page is more than a list of them
const COUNT_NAMES = {sources: 1};  // the column of a table that is a state
let devices = [];  // {name, stream, at, phasors, row}
let chosen = 0, latest = null, relative = false;
let figuresAt = 0, traceAt = 0, heardAt = 0, count = 0, countedAt = performance.now();

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function cell(row, text, of, bad) {
  const made = document.createElement(row.childElementCount ? 'td' : 'th');
  if (made.tagName === 'TH') made.scope = 'row';
  else made.dataset.of = of;
  made.textContent = text;
  if (bad) made.className = 'is-bad';
  row.append(made);
  return made;
}

function headings(table) {
  return [...table.tHead.rows[0].cells].map(each => each.textContent);
}

function fill(id, rows, bad) {
  const table = one(id), body = table.tBodies[0], told = JSON.stringify(rows);
  if (body.dataset.told === told) return;
  body.dataset.told = told;
  const names = headings(table);
  body.replaceChildren(...rows.map(row => {
    const made = document.createElement('tr');
    row.forEach((text, at) => cell(made, text, names[at], bad && bad(row, at)));
    return made;
  }));
  if (!rows.length) none(table);
}

function none(table) {
  const row = document.createElement('tr'), names = headings(table);
  cell(row, 'none', names[0]).colSpan = names.length;
  table.tBodies[0].replaceChildren(row);
}

// --- streams and what they measure ----------------------------------------------------------------

function rule(told) {
  const before = devices[chosen]?.name;
  devices = [];
  told.streams.forEach((stream, at) => {
    const name = `${stream.source} ${stream.key === stream.source ? '' : stream.key}`.trim();
    if (!stream.devices.length)
      devices.push({name, stream: at, at: -1, phasors: []});
    stream.devices.forEach((device, number) => devices.push({
      name: device.name ? `${stream.source}: ${device.name}` : name,
      stream: at, at: number, phasors: device.phasors,
    }));
  });
  const table = one('streams'), names = headings(table);
  table.tBodies[0].replaceChildren(...devices.map((device, at) => {
    const row = document.createElement('tr'), head = cell(row, '', names[0]);
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = device.name;
    button.addEventListener('click', () => choose(at));
    head.append(button);
    device.button = button;
    device.cells = names.slice(1).map(each => cell(row, '', each));
    return row;
  }));
  if (!devices.length) none(table);
  trace.rule(devices.length);
  choose(Math.max(devices.findIndex(device => device.name === before), 0));
}

function choose(at) {
  chosen = at;
  devices.forEach((device, each) => device.button.setAttribute('aria-pressed', each === at));
  const device = devices[at];
  put(one('chosen'), device ? device.name : 'No stream yet');
  dial.rule(device ? device.phasors : []);
  one('dial').setAttribute('class', device && device.phasors.length ? '' : 'is-empty');
  fill('phasors', (device ? device.phasors : []).map(([name]) => [name, '', '']));
  figuresAt = traceAt = 0;
  if (latest) move(latest);
}

function pairs(device, told) {
  const values = told.devices?.[device.at];
  if (!values) return [];
  const found = device.phasors.map((_, at) => [values[2 + 2 * at], values[3 + 2 * at]]);
  const first = device.phasors.findIndex(([, quantity]) => quantity === 'voltage');
  const from = relative && first >= 0 ? found[first][1] : 0;
  return found.map(([size, angle]) => [size, angle === null || from === null ? null : turned(angle - from)]);
}

function turned(angle) {
  return Math.atan2(Math.sin(angle), Math.cos(angle));
}

function move(told) {
  latest = told;
  const now = performance.now(), device = devices[chosen];
  const mine = device ? told.streams[device.stream] ?? {} : {};
  const found = device ? pairs(device, mine) : [];
  const largest = dial.draw(found);
  for (let at = 0; at < devices.length; at += 1) {
    const each = told.streams[devices[at].stream];
    const hz = each?.devices?.[devices[at].at]?.[0] ?? null;
    if (hz !== null) trace.add(at, each.utc_ms + each.late_us / 1000, hz);
  }
  if (now - figuresAt >= FIGURES_MS) {
    figuresAt = now;
    figures(told, device, mine, found);
    scale(largest, mine);
  }
  if (now - traceAt >= TRACE_MS) {
    traceAt = now;
    trace.draw(chosen);
  }
}

function figures(told, device, mine, found) {
  put(one('utc'), `${new Date(told.utc_ms).toISOString().slice(0, 21).replace('T', ' ')} UTC`);
  const rows = one('phasors').tBodies[0].rows;
  found.forEach(([size, angle], at) => {
    if (!rows[at] || rows[at].cells.length < 3) return;
    put(rows[at].cells[1], amount(size, device.phasors[at][2]));
    put(rows[at].cells[2], angle === null ? '\u2013' : `${(angle * 180 / Math.PI).toFixed(2)}\u00b0`);
  });
  put(one('words'), (mine.rows ?? []).join(' \u00b7 '));
  for (const each of devices) {
    const said = told.streams[each.stream] ?? {}, values = said.devices?.[each.at];
    const quiet = said.quiet || said.age_ms === undefined;
    put(each.cells[0], values ? unit(values[0], 4, 'Hz') : '');
    put(each.cells[1], values ? unit(values[1], 3, 'Hz/s') : '');
    put(each.cells[2], said.age_ms === undefined ? 'nothing yet'
      : quiet ? `quiet for ${span(said.age_ms / 1000)}` : `${(said.late_us / 1000).toFixed(1)} ms`);
    each.cells[2].className = quiet ? 'is-bad' : '';
    put(each.cells[3], said.clock === undefined ? '' : bound(said));
    put(each.cells[4], (said.quality ?? []).join(', ').replaceAll('_', ' '));
  }
}

function scale(largest, mine) {
  const old = mine.quiet ? `Quiet for ${span(mine.age_ms / 1000)}: this is what it measured last. ` : '';
  one('scale').className = old ? 'is-bad' : '';
  const words = [['voltage', 'V', ''], ['current', 'A', ', dashed']]
    .filter(([kind]) => largest[kind] > 0)
    .map(([kind, name, more]) => `${amount(largest[kind], name)} (${kind}s${more})`);
  put(one('scale'), words.length ? `${old}The circle is ${words.join(' and ')}.` : '');
}

// So that none jumps in width as it moves: five digits, of kV where a bus has them.
function amount(size, name) {
  if (size === null || size === undefined) return '\u2013';
  const [value, prefix] = size >= 10000 && ['V', 'A'].includes(name) ? [size / 1000, 'k'] : [size, ''];
  const digits = value >= 1000 ? 1 : value >= 100 ? 2 : value >= 1 ? 3 : 4;
  return `${value.toFixed(digits)} ${prefix}${name}`;
}

function unit(value, digits, name) {
  if (value === null || value === undefined) return '\u2013';
  return `${value.toFixed(digits).replace(/^-(?=[0.]*$)/, '')} ${name}`;
}

function span(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

function bound(said) {
  const by = said.clock === 'unknown' ? 'nobody' : said.clock.replaceAll('_', ' ');
  return said.bound_ns === null ? `no bound, by ${by}` : `within ${length(said.bound_ns)} by ${by}`;
}

function length(ns) {
  for (const [name, scale] of [['s', 1e9], ['ms', 1e6], ['us', 1e3]])
    if (ns >= scale) return `${Number((ns / scale).toPrecision(3))} ${name}`;
  return `${ns} ns`;
}

// --- how the gateway is ---------------------------------------------------------------------------

function account(told) {
  put(one('gateway'), told.gateway);
  document.title = `${told.troubles.length ? `(${told.troubles.length}) ` : ''}${told.gateway} \u2013 Gridseal gateway`;
  const list = one('troubles'), words = JSON.stringify(told.troubles);
  if (list.dataset.told !== words) {
    list.dataset.told = words;
    const shown = told.troubles.slice(0, TROUBLES_MOST), more = told.troubles.length - shown.length;
    if (more) shown.push(`and ${more} more; the sources among them are named below`);
    list.replaceChildren(...(shown.length ? shown : ['None is known.']).map(text => {
      const made = document.createElement('li');
      made.className = told.troubles.length ? 'is-bad' : 'none';
      made.textContent = text;
      return made;
    }));
  }
  const facts = one('facts');
  if (facts.childElementCount !== 2 * told.facts.length)
    facts.replaceChildren(...told.facts.flatMap(() => ['dt', 'dd'].map(name => document.createElement(name))));
  told.facts.flat().forEach((text, at) => put(facts.children[at], text));
  for (const [name, rows] of Object.entries(told.tables))
    fill(name, rows, (row, at) => at === COUNT_NAMES[name] && row[at] !== 'up');
}

// --- hearing it -----------------------------------------------------------------------------------

function heard() {
  heardAt = performance.now();
  put(one('heard'), '');
  document.body.classList.remove('is-old');
}

function counted() {
  count += 1;
  const now = performance.now();
  if (now - countedAt < RATE_MS) return;
  put(one('rate'), `${(1000 * count / (now - countedAt)).toFixed(1)} updates a second`);
  count = 0;
  countedAt = now;
}

function listen() {
  const source = new EventSource('events');
  source.addEventListener('streams', event => rule(JSON.parse(event.data)));
  source.addEventListener('live', event => { heard(); counted(); move(JSON.parse(event.data)); });
  source.addEventListener('account', event => account(JSON.parse(event.data)));
  source.addEventListener('error', () => {
    if (source.readyState !== EventSource.CLOSED) return;
    put(one('heard'), 'The gateway shows itself to no one more just now; it is asked again.');
    setTimeout(listen, AGAIN_MS);
  });
}
listen();
one('relative').addEventListener('change', event => {
  relative = event.target.checked;
  figuresAt = 0;
  if (latest) move(latest);
});
new ResizeObserver(() => trace.draw(chosen)).observe(one('trace'));
setInterval(() => {
  if (!heardAt || performance.now() - heardAt < OLD_MS) return;
  put(one('heard'), `The gateway does not answer; what is below is as of ${one('utc').textContent}.`);
  put(one('rate'), 'No update any more');
  document.body.classList.add('is-old');
}, 1000);
