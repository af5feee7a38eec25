// The two drawings: phasors of one device, and the frequency of all over the last minute.
//
// 1. Elements are made once, and only moved after that: 12 times a second, for as long as one looks.
// 2. Voltages and currents have a scale each, the largest of its kind at the circle, and the page
//    says which; a current is dashed. Beside each drawing stands a table of the same.
// 3. Names whose places meet stand in one place: none hides another.
// 4. A trace is broken where nothing was heard for GAP_MS: a hole is never drawn as if measured.

const SVG = 'http://www.w3.org/2000/svg';
const RADIUS = 110, ACROSS = 200, DOWN = 140;  // of the middle, from left and top
const NAME_CHARS = 7, NEAR_X = 34, NEAR_Y = 15;
const SPAN_MS = 60000, GAP_MS = 2000, HEIGHT = 220, LEFT = 84, TOP = 12, BOTTOM = 188;
const RULES = 8;  // lines across at most
const LEAST_HZ = 0.02;  // of the trace: a quiet grid is a flat line, not noise

function made(name, attributes) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  return one;
}

function short(name, chars) {
  return name.length > chars ? `${name.slice(0, chars - 1)}\u2026` : name;
}

export class Dial {
  constructor(svg) {
    this.svg = svg;
    svg.setAttribute('viewBox', `0 0 ${2 * ACROSS} ${2 * DOWN}`);
    svg.append(
      made('circle', {cx: ACROSS, cy: DOWN, r: RADIUS, class: 'soft'}),
      made('line', {x1: ACROSS - RADIUS, x2: ACROSS + RADIUS, y1: DOWN, y2: DOWN, class: 'soft grid'}),
      made('line', {y1: DOWN - RADIUS, y2: DOWN + RADIUS, x1: ACROSS, x2: ACROSS, class: 'soft grid'}));
    this.arms = [];
  }

  rule(phasors) {
    for (const arm of this.arms) { arm.line.remove(); arm.word.remove(); }
    this.arms = phasors.map(([name, quantity]) => {
      const kind = quantity === 'current' ? 'current' : 'voltage';
      const line = made('line', {x1: ACROSS, y1: DOWN, x2: ACROSS, y2: DOWN, class: kind});
      return {kind, line, name, word: made('text', {})};
    });
    this.svg.append(...this.arms.map(arm => arm.line), ...this.arms.map(arm => arm.word));
  }

  // What stands at the circle: the largest voltage and the largest current, null where there is none.
  draw(pairs) {
    const largest = {voltage: 0, current: 0};
    pairs.forEach(([size], at) => {
      const arm = this.arms[at];
      if (arm && size > largest[arm.kind]) largest[arm.kind] = size;
    });
    const places = [];
    this.arms.forEach((arm, at) => {
      const [size, angle] = pairs[at] ?? [null, null];
      const there = size !== null && angle !== null && largest[arm.kind] > 0;
      arm.line.setAttribute('visibility', there ? 'visible' : 'hidden');
      arm.word.setAttribute('visibility', 'hidden');
      if (!there) return;
      const length = RADIUS * size / largest[arm.kind];
      const x = Math.cos(angle), y = -Math.sin(angle);
      arm.line.setAttribute('x2', (ACROSS + length * x).toFixed(1));
      arm.line.setAttribute('y2', (DOWN + length * y).toFixed(1));
      const far = Math.max(length, 40) + (arm.kind === 'current' ? -22 : 14);
      const place = {arm, x: ACROSS + far * x, y: DOWN + far * y + 5, names: [arm.name],
        anchor: x > 0.3 ? 'start' : x < -0.3 ? 'end' : 'middle'};
      const near = places.find(each =>
        Math.abs(each.x - place.x) < NEAR_X && Math.abs(each.y - place.y) < NEAR_Y);
      if (near) near.names.push(arm.name);
      else places.push(place);
    });
    for (const {arm, x, y, names, anchor} of places) this.#name(arm.word, x, y, names, anchor);
    return largest;
  }

  #name(word, x, y, names, anchor) {
    const whole = names.join(','), more = names.length > 1 ? ` +${names.length - 1}` : '';
    const text = whole.length <= NAME_CHARS ? whole : short(names[0], NAME_CHARS - more.length) + more;
    if (word.textContent !== text) word.textContent = text;
    word.setAttribute('x', x.toFixed(1));
    word.setAttribute('y', y.toFixed(1));
    word.setAttribute('text-anchor', anchor);
    word.setAttribute('visibility', 'visible');
  }
}

// The least of 1, 2 or 5 times a power of ten that is no less.
function step(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find(times => times * power >= least * 0.999);
}

export class Trace {
  constructor(svg) {
    this.svg = svg;
    this.rules = Array.from({length: RULES}, () => ({
      line: made('line', {x1: LEFT, class: 'soft grid', visibility: 'hidden'}),
      word: made('text', {x: LEFT - 6, 'text-anchor': 'end', visibility: 'hidden'}),
    }));
    const word = (text, place) => {
      const one = made('text', {y: HEIGHT - 8, 'text-anchor': place, visibility: 'hidden'});
      one.textContent = text;
      return one;
    };
    this.times = [word('60 s ago', 'start'), word('30 s', 'middle'), word('now', 'end')];
    svg.append(...this.rules.flatMap(one => [one.line, one.word]), ...this.times);
    this.rule(0);
  }

  rule(many) {
    for (const one of this.lines ?? []) one.remove();
    this.points = Array.from({length: many}, () => []);
    this.lines = this.points.map(() => made('path', {class: 'line'}));
    this.svg.append(...this.lines);
  }

  add(at, ms, hz) {
    const points = this.points[at];
    if (!points) return;
    const last = points[points.length - 1];
    if (!last || ms > last[0]) points.push([ms, hz]);
    else if (ms < last[0] - SPAN_MS) points.length = 0;  // its clock was set back
  }

  draw(chosen) {
    let newest = -Infinity, low = Infinity, high = -Infinity;
    for (const points of this.points)
      if (points.length) newest = Math.max(newest, points[points.length - 1][0]);
    for (const points of this.points) {
      while (points.length && points[0][0] < newest - SPAN_MS) points.shift();
      for (const [, hz] of points) { low = Math.min(low, hz); high = Math.max(high, hz); }
    }
    if (newest === -Infinity) return;
    const by = step(Math.max(high - low, LEAST_HZ) / 4);
    low = Math.floor(low / by) * by;
    high = Math.max(Math.ceil(high / by) * by, low + 4 * by);
    const width = Math.max(this.svg.clientWidth, 200);
    const x = ms => LEFT + (width - LEFT) * (1 - (newest - ms) / SPAN_MS);
    const y = hz => BOTTOM - (BOTTOM - TOP) * (hz - low) / (high - low);
    this.#axes(width, low, by, Math.round((high - low) / by), y);
    this.lines.forEach((line, at) => {
      line.setAttribute('class', at === chosen ? 'line is-chosen' : 'line');
      let before = -Infinity, path = '';
      for (const [ms, hz] of this.points[at]) {
        path += `${ms - before > GAP_MS ? 'M' : 'L'}${x(ms).toFixed(1)} ${y(hz).toFixed(1)}`;
        before = ms;
      }
      line.setAttribute('d', path);
    });
    if (this.lines[chosen]) this.svg.append(this.lines[chosen]);  // above the others
  }

  #axes(width, low, by, many, y) {
    this.svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    const digits = Math.max(0, -Math.floor(Math.log10(by) + 1e-9));
    this.rules.forEach(({line, word}, at) => {
      const there = at <= many ? 'visible' : 'hidden', hz = low + by * Math.min(at, many);
      line.setAttribute('visibility', there);
      word.setAttribute('visibility', there);
      line.setAttribute('x2', width);
      line.setAttribute('y1', y(hz).toFixed(1));
      line.setAttribute('y2', y(hz).toFixed(1));
      word.setAttribute('y', (y(hz) + 5).toFixed(1));
      word.textContent = `${hz.toFixed(digits)} Hz`;
    });
    this.times.forEach((word, at) => {
      word.setAttribute('visibility', 'visible');
      word.setAttribute('x', LEFT + (width - LEFT) * at / 2);
    });
  }
}
