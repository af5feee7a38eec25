// The proof as text (C2SP tlog-proof), and the signed note that ends it (C2SP signed-note,
// tlog-checkpoint): read as evidence/tlog/{proof,note,checkpoint}.py read them, in one spelling.

import {Fault, ascii, joined, same} from './cbor.js';
import {ED25519, key, sha256, signed} from './cose.js';

const FORM = 'c2sp.org/tlog-proof@v1';
const PROOF_BYTES_MAX = 1 << 21, SIZE_MAX = (1n << 63n) - 1n;

export function textOf(raw, what) {
  let text;
  try {
    text = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(raw);
  } catch {
    throw new Fault(`${what} is not UTF-8`);
  }
  for (const char of text)
    if (char < ' ' && char !== '\n') throw new Fault(`${what} has control characters`);
  return text;
}

export function fromBase64(text, what) {
  let raw;
  try {
    raw = Uint8Array.from(atob(text), char => char.charCodeAt(0));
  } catch {
    throw new Fault(`${what} is not base64`);
  }
  let back = '';
  for (let at = 0; at < raw.length; at += 0x8000)
    back += String.fromCharCode(...raw.subarray(at, at + 0x8000));
  if (btoa(back) !== text) throw new Fault(`${what}: base64 in another spelling`);
  return raw;
}

function decimal(text, what) {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) > SIZE_MAX) throw new Fault(`${what} is no decimal`);
  return BigInt(text);
}

export function readProof(raw) {
  if (raw.length > PROOF_BYTES_MAX) throw new Fault(`a proof of ${raw.length} bytes`);
  const whole = textOf(raw, 'the proof');
  const at = whole.indexOf('\n\n');
  const lines = whole.slice(0, Math.max(at, 0)).split('\n');
  if (at < 0 || lines.shift() !== FORM) throw new Fault(`no ${FORM}, or no checkpoint in it`);
  if (!lines[0]?.startsWith('extra ')) throw new Fault('a proof of no observation');
  const extra = fromBase64(lines.shift().slice(6), 'the extra data');
  if (!lines[0]?.startsWith('index ')) throw new Fault('a proof without an index in its place');
  const index = decimal(lines.shift().slice(6), 'the index');
  if (lines.length > 63) throw new Fault(`a path of ${lines.length} hashes`);
  const path = lines.map(line => fromBase64(line, 'a hash of the path'));
  if (path.some(one => one.length !== 32)) throw new Fault('a hash has 32 bytes');
  return {extra, index, path, note: readNote(whole.slice(at + 2))};
}

function readNote(whole) {
  const at = whole.lastIndexOf('\n\n');
  if (at < 0 || !whole.endsWith('\n')) throw new Fault('a note without signatures');
  const text = whole.slice(0, at + 1);
  const lines = whole.slice(at + 2, -1).split('\n').map(line => {
    const found = /^\u2014 ([^\s+]+) ([^ ]+)$/.exec(line);
    if (!found) throw new Fault('a signature line of another form');
    const raw = fromBase64(found[2], `the signature of ${found[1]}`);
    if (raw.length <= 4) throw new Fault(`the signature of ${found[1]} is empty`);
    return {name: found[1], id: raw.subarray(0, 4), signature: raw.subarray(4)};
  });
  if (lines.length > 64) throw new Fault(`${lines.length} signatures`);
  const [origin, size, root] = text.slice(0, -1).split('\n');
  if (!origin || size === undefined || root === undefined) throw new Fault('a checkpoint has at least three lines');
  const hash = fromBase64(root, 'the root');
  if (hash.length !== 32) throw new Fault('a root has 32 bytes');
  return {text, lines, origin, size: decimal(size, 'the size'), root: hash};
}

// The lines of a note that say to be of this key: type 1 signs the text, 4 a time and the text.
async function linesOf(note, name, type, raw) {
  const id = (await sha256(ascii(`${name}\n`), Uint8Array.of(type), raw)).subarray(0, 4);
  return note.lines.filter(line => line.name === name && same(line.id, id));
}

// Whether the log's key signed the note, under the name of its origin.
export async function checkNote(note, raw) {
  const lines = await linesOf(note, note.origin, 1, raw);
  if (!lines.length) throw new Fault(`the key of the log did not sign this note of ${note.origin}`);
  const by = await key(ED25519, raw);
  for (const line of lines)
    if (line.signature.length !== 64 || !await signed(by, ascii(note.text), line.signature))
      throw new Fault(`the signature of ${note.origin} does not hold`);
}

// When a witness cosigned the note, POSIX seconds; null: it did not.
export async function cosigned(note, name, raw) {
  let last = null;
  const by = await key(ED25519, raw);
  for (const {signature} of await linesOf(note, name, 4, raw)) {
    if (signature.length !== 72) throw new Fault(`${name}: no cosignature by its length`);
    const time = new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0);
    const message = joined(ascii(`cosignature/v1\ntime ${time}\n`), ascii(note.text));
    if (!await signed(by, message, signature.subarray(8)))
      throw new Fault(`the cosignature of ${name} does not hold`);
    if (last === null || time > last) last = time;
  }
  return last;
}
