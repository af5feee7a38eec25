// The two drawings: phasors of one device, and the frequency of all over the last minute.
//
// 1. Elements are made once, and only moved after that: 12 times a second, for as long as one looks.
// 2. Voltages and currents have a scale each, the largest of its kind at the circle; a current is
//    dashed. Beside each drawing stands a table of the same.

const SVG = 'http://www.w3.org/2000/svg';
const RADIUS = 120, MIDDLE = 175;
const SPAN_MS = 60000, HEIGHT = 200, LEFT = 78, TOP = 12, BOTTOM = 168;
const LEAST_HZ = 0.02;  // of the trace: a quiet grid is a flat line, not noise

function made(name, attributes) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  return one;
}

export class Dial {
  constructor(svg) {
    this.svg = svg;
    svg.setAttribute('viewBox', `0 0 ${2 * MIDDLE} ${2 * MIDDLE}`);
    const circle = {cx: MIDDLE, cy: MIDDLE, class: 'soft'};
    svg.append(
      made('circle', {...circle, r: RADIUS}),
      made('line', {x1: MIDDLE - RADIUS, x2: MIDDLE + RADIUS, y1: MIDDLE, y2: MIDDLE, class: 'soft grid'}),
      made('line', {y1: MIDDLE - RADIUS, y2: MIDDLE + RADIUS, x1: MIDDLE, x2: MIDDLE, class: 'soft grid'}));
    this.arms = [];
  }

  rule(phasors) {
    for (const arm of this.arms) { arm.line.remove(); arm.word.remove(); }
    this.arms = phasors.map(([name, quantity]) => {
      const kind = quantity === 'current' ? 'current' : 'voltage';
      const line = made('line', {x1: MIDDLE, y1: MIDDLE, x2: MIDDLE, y2: MIDDLE, class: kind});
      const word = made('text', {});
      word.textContent = name.length > 8 ? `${name.slice(0, 7)}\u2026` : name;
      this.svg.append(line, word);
      return {kind, line, word};
    });
  }

  draw(pairs) {
    const largest = {voltage: 0, current: 0};
    pairs.forEach(([size], at) => {
      const arm = this.arms[at];
      if (arm && size > largest[arm.kind]) largest[arm.kind] = size;
    });
    this.arms.forEach((arm, at) => {
      const [size, angle] = pairs[at] ?? [null, null];
      const there = size !== null && angle !== null && largest[arm.kind] > 0;
      arm.line.setAttribute('visibility', there ? 'visible' : 'hidden');
      arm.word.setAttribute('visibility', there ? 'visible' : 'hidden');
      if (!there) return;
      const length = RADIUS * size / largest[arm.kind];
      const x = Math.cos(angle), y = -Math.sin(angle);
      arm.line.setAttribute('x2', (MIDDLE + length * x).toFixed(1));
      arm.line.setAttribute('y2', (MIDDLE + length * y).toFixed(1));
      const far = Math.max(length, 40) + (arm.kind === 'current' ? -22 : 16);
      arm.word.setAttribute('x', (MIDDLE + far * x).toFixed(1));
      arm.word.setAttribute('y', (MIDDLE + far * y + 5).toFixed(1));
      arm.word.setAttribute('text-anchor', x > 0.3 ? 'start' : x < -0.3 ? 'end' : 'middle');
    });
  }
}

export class Trace {
  constructor(svg) {
    this.svg = svg;
    this.upper = made('text', {x: 0, y: TOP + 5});
    this.lower = made('text', {x: 0, y: BOTTOM + 5});
    const from = made('text', {x: LEFT, y: HEIGHT - 8});
    from.textContent = 'a minute ago';
    this.now = made('text', {y: HEIGHT - 8, 'text-anchor': 'end'});
    this.now.textContent = 'now';
    this.rules = [TOP, BOTTOM].map(y => made('line', {x1: LEFT, y1: y, y2: y, class: 'soft grid'}));
    svg.append(this.upper, this.lower, from, this.now, ...this.rules);
    this.rule(0);
  }

  rule(many) {
    for (const one of this.lines ?? []) one.remove();
    this.points = Array.from({length: many}, () => []);
    this.lines = this.points.map(() => made('polyline', {class: 'line'}));
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
    const more = Math.max(LEAST_HZ - (high - low), 0) / 2;
    low -= more;
    high += more;
    const width = Math.max(this.svg.clientWidth, 200);
    this.svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    this.now.setAttribute('x', width);
    for (const one of this.rules) one.setAttribute('x2', width);
    this.upper.textContent = `${high.toFixed(3)} Hz`;
    this.lower.textContent = `${low.toFixed(3)} Hz`;
    const x = ms => LEFT + (width - LEFT) * (1 - (newest - ms) / SPAN_MS);
    const y = hz => BOTTOM - (BOTTOM - TOP) * (hz - low) / (high - low);
    this.lines.forEach((line, at) => {
      line.setAttribute('class', at === chosen ? 'line is-chosen' : 'line');
      line.setAttribute('points',
        this.points[at].map(([ms, hz]) => `${x(ms).toFixed(1)},${y(hz).toFixed(1)}`).join(' '));
    });
    if (this.lines[chosen]) this.svg.append(this.lines[chosen]);  // above the others
  }
}
