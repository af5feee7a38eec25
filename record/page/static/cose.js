// COSE_Sign1 as evidence/cose.py uses it, keys by algorithm, and the tree of RFC 9162; hashes and
// signatures are the browser's (WebCrypto).
//
// 1. One encoding: tag 18, everything protected, {alg, kid} or {alg, kid, typ}.
// 2. A key that the browser cannot check is no fault of the proof: it is an Unable.

import {Fault, ascii, blob, bytesAt, bytesHead, decode, hex, joined, same} from './cbor.js';

export class Unable extends Error {}
// What this browser lacks, whatever the proof.
export class Incapable extends Unable {}

export const ED25519 = -19n, ESP256 = -9n;
const LENGTHS = new Map([[ED25519, 32], [ESP256, 64]]);
const NAMES = new Map([[ED25519, 'Ed25519'], [ESP256, 'ECDSA P-256']]);
const STATEMENT_BYTES_MAX = 65536;

export async function sha256(...parts) {
  if (!globalThis.crypto || !crypto.subtle)
    throw new Incapable('it checks nothing on a page without TLS: open it by https or on this machine');
  return new Uint8Array(await crypto.subtle.digest('SHA-256', joined(...parts)));
}

// --- keys

export async function key(alg, raw) {
  if (LENGTHS.get(alg) !== raw.length) throw new Fault(`no key of algorithm ${alg} has ${raw.length} bytes`);
  return {alg, raw, kid: (await sha256(raw)).subarray(0, 8)};
}

export async function signed(by, message, signature) {
  const how = by.alg === ED25519 ? {name: 'Ed25519'} : {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'};
  const raw = by.alg === ED25519 ? by.raw : joined(Uint8Array.of(4), by.raw);
  let made;
  try {
    made = await crypto.subtle.importKey('raw', raw, how, false, ['verify']);
  } catch (fault) {
    if (fault.name === 'NotSupportedError' || fault.name === 'SyntaxError')
      throw new Incapable(`this browser has no ${NAMES.get(by.alg)}`);
    return false; // no point of the curve
  }
  return crypto.subtle.verify(how, made, signature, message);
}

// --- messages

export async function read(encoded) {
  if (encoded.length > STATEMENT_BYTES_MAX + 512 || encoded[0] !== 0xd2 || encoded[1] !== 0x84)
    throw new Fault('no COSE_Sign1, or longer than any here');
  const [protected_, after] = bytesAt(encoded, 2, 'protected header');
  if (encoded[after] !== 0xa0) throw new Fault('something is unprotected');
  const [payload, middle] = bytesAt(encoded, after + 1, 'payload');
  const [signature, end] = bytesAt(encoded, middle, 'signature');
  if (end !== encoded.length || signature.length !== 64) throw new Fault('a signature of another length');
  const header = decode(protected_);
  const typ = header instanceof Map ? header.get(16n) : undefined;
  if (!(header instanceof Map) || header.size !== (typ === undefined ? 2 : 3)
      || typeof header.get(1n) !== 'bigint' || !(header.get(4n) instanceof Uint8Array)
      || header.get(4n).length !== 8 || (typ !== undefined && typeof typ !== 'bigint'))
    throw new Fault('the protected header is not {alg, kid} or {alg, kid, typ}');
  return {
    encoded, protected_, payload, signature, alg: header.get(1n), kid: header.get(4n), typ,
    name: await sha256(payload),
  };
}

export function stated(message, typ, what) {
  if (message.typ !== typ) throw new Fault(`typ ${message.typ}, which is no ${what}`);
  return message;
}

export async function check(message, by, aad = new Uint8Array(0)) {
  if (message.alg !== by.alg) throw new Fault(`algorithm ${message.alg}, but the key is for ${by.alg}`);
  if (!same(message.kid, by.kid)) throw new Fault(`signed by key ${hex(message.kid)}, not ${hex(by.kid)}`);
  // RFC 9052 4.4: Sig_structure, an array of four.
  const context = joined(Uint8Array.of(0x84), bytesHead(10, 3), ascii('Signature1'));
  const message_ = joined(context, blob(message.protected_), blob(aad), blob(message.payload));
  if (!await signed(by, message_, message.signature))
    throw new Fault(`the signature is not one of key ${hex(by.kid)}`);
}

// --- the tree

export const leafHash = entry => sha256(Uint8Array.of(0), entry);

// RFC 9162 2.1.3.2; index and size are BigInt.
export async function checkInclusion(leaf, index, size, path, root, what) {
  if (index >= size || path.length > 64) throw new Fault(`no leaf ${index} in a tree of ${size}`);
  let fn = index, sn = size - 1n, node = leaf;
  for (const sibling of path) {
    if (sn === 0n) throw new Fault('the path is longer than the tree is deep');
    if ((fn & 1n) === 1n || fn === sn) {
      node = await sha256(Uint8Array.of(1), sibling, node);
      while ((fn & 1n) === 0n && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else {
      node = await sha256(Uint8Array.of(1), node, sibling);
    }
    fn >>= 1n; sn >>= 1n;
  }
  if (sn !== 0n) throw new Fault('the path is shorter than the tree is deep');
  if (!same(node, root)) throw new Fault(`the path of ${what} does not lead to the root of ${size}`);
}
