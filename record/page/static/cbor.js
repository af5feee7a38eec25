// Strict CBOR, as evidence/cbor.py reads it: shortest heads, definite lengths, map keys in order and
// once, no tags, floats as binary64 and finite. Integers come as BigInt, maps as Map, and every
// value has exactly one encoding.

export class Fault extends Error {}

const DEPTH_MAX = 8;
const WIDTHS = new Map([[24, 1], [25, 2], [26, 4], [27, 8]]);
const LEAST = new Map([[24, 24n], [25, 1n << 8n], [26, 1n << 16n], [27, 1n << 32n]]);

// (major type, argument, where the content begins).
export function headAt(data, at) {
  if (at >= data.length) throw new Fault(`ends at byte ${at}, where a value should begin`);
  const major = data[at] >> 5, info = data[at] & 0x1f;
  if (info < 24) return [major, BigInt(info), at + 1];
  const width = WIDTHS.get(info);
  if (width === undefined) throw new Fault(`an indefinite or reserved length at byte ${at}`);
  if (at + 1 + width > data.length) throw new Fault(`ends within the head at byte ${at}`);
  let argument = 0n;
  for (const byte of data.subarray(at + 1, at + 1 + width)) argument = (argument << 8n) | BigInt(byte);
  if (argument < LEAST.get(info)) throw new Fault(`the head at byte ${at} is longer than it must be`);
  return [major, argument, at + 1 + width];
}

// A byte string, and where it ends.
export function bytesAt(data, at, what) {
  const [major, length, start] = headAt(data, at);
  if (major !== 2 || length > BigInt(data.length - start))
    throw new Fault(`the ${what} is no byte string, or ends early`);
  const end = start + Number(length);
  return [data.subarray(start, end), end];
}

export function decode(data) {
  const [value, end] = valueAt(data, 0, 0);
  if (end !== data.length) throw new Fault(`${data.length - end} bytes after the value`);
  return value;
}

function valueAt(data, at, depth) {
  if (depth > DEPTH_MAX) throw new Fault(`nested deeper than ${DEPTH_MAX}`);
  if (data[at] >= 0xe0) return simpleAt(data, at);
  const [major, argument, start] = headAt(data, at);
  if (major === 0) return [argument, start];
  if (major === 1) return [-1n - argument, start];
  if (major === 6) throw new Fault(`a tag at byte ${at}`);
  if (argument > BigInt(data.length - start)) throw new Fault(`longer at byte ${at} than what is there`);
  const count = Number(argument);
  if (major === 2) return [data.subarray(start, start + count), start + count];
  if (major === 3) return [textOf(data.subarray(start, start + count), at), start + count];
  return major === 4 ? arrayAt(data, start, count, depth) : mapAt(data, start, count, depth);
}

function simpleAt(data, at) {
  const known = {0xf4: false, 0xf5: true, 0xf6: null};
  if (data[at] in known) return [known[data[at]], at + 1];
  if (data[at] === 0xfb && at + 9 <= data.length) {
    const value = new DataView(data.buffer, data.byteOffset + at + 1, 8).getFloat64(0);
    if (Number.isFinite(value)) return [value, at + 9];
  }
  throw new Fault(`no value of ours begins at byte ${at}`);
}

function textOf(raw, at) {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(raw);
  } catch {
    throw new Fault(`the text at byte ${at} is not UTF-8`);
  }
}

function arrayAt(data, at, count, depth) {
  const items = [];
  for (let number = 0; number < count; number++) {
    const [item, end] = valueAt(data, at, depth + 1);
    items.push(item);
    at = end;
  }
  return [items, at];
}

function mapAt(data, at, count, depth) {
  const pairs = new Map();
  let before = new Uint8Array(0);
  for (let number = 0; number < count; number++) {
    const start = at;
    const [key, end] = valueAt(data, at, depth + 1);
    if (typeof key !== 'bigint' && typeof key !== 'string')
      throw new Fault('a map key that is neither integer nor text');
    const encoded = data.subarray(start, end);
    if (ordered(encoded, before) <= 0) throw new Fault('map keys out of order or twice');
    before = encoded;
    const [item, next] = valueAt(data, end, depth + 1);
    pairs.set(key, item);
    at = next;
  }
  return [pairs, at];
}

function ordered(one, other) {
  for (let at = 0; at < Math.min(one.length, other.length); at++)
    if (one[at] !== other[at]) return one[at] - other[at];
  return one.length - other.length;
}

// --- writing: what a signature is over --------------------------------------------------------

export function bytesHead(length, major = 2) {
  const first = major << 5;
  if (length < 24) return Uint8Array.of(first | length);
  if (length < 1 << 8) return Uint8Array.of(first | 24, length);
  if (length < 1 << 16) return Uint8Array.of(first | 25, length >> 8, length & 0xff);
  return Uint8Array.of(first | 26, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff);
}

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const blob = raw => joined(bytesHead(raw.length), raw);
export const ascii = text => new TextEncoder().encode(text);
export const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);
export const hex = raw => [...raw].map(byte => byte.toString(16).padStart(2, '0')).join('');
