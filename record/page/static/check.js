// What a proof of one observation shows, step by step: the same rules as evidence/tlog/sample.py,
// over the same bytes, in this browser.
//
// 1. Each step holds, does not hold and says why, or could not be checked here. A step that rests on
//    one that does not hold is still checked by itself, where it can be.
// 2. Believed are the keys that the user gave. A key that this server named is said to be that.
// 3. It does not show what the observation is worth, nor whether a key was revoked since: receipts,
//    findings and `gridseal-record verify` do.

import {Fault, ascii, blob, decode, hex, joined, same} from './cbor.js';
import {ED25519, ESP256, Incapable, Unable, check, checkInclusion, key, leafHash, read, signed, stated} from './cose.js';
import {checkNote, cosigned, readProof} from './note.js';

const TYP = {credential: 65301n, run: 65302n, descriptor: 65303n, head: 65304n};
const ROLES = ['gateway', 'bench'];
const HELD = 'holds', FAILED = 'does not hold', OPEN = 'not checked';

function versioned(value, length, what) {
  if (!Array.isArray(value) || value.length !== length || value[0] !== 1n)
    throw new Fault(`no ${what} of version 1`);
  return value;
}

function bytes(value, what, length) {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw new Fault(`${what}: expected ${length ?? 'some'} bytes`);
  return value;
}

function uint(value, what) {
  if (typeof value !== 'bigint' || value < 0n) throw new Fault(`${what}: expected an unsigned integer`);
  return value;
}

function text(value, what) {
  if (typeof value !== 'string') throw new Fault(`${what}: expected a text`);
  return value;
}

function list(value, what, length) {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length))
    throw new Fault(`${what}: expected an array`);
  return value;
}

// --- payloads

function readExtra(raw) {
  const value = versioned(decode(raw), 6, "sample's proof");
  const path = list(value[3], 'path').map(one => bytes(one, 'a hash', 32));
  const statements = list(value[5], 'statements').map(one => bytes(one, 'a statement'));
  if (path.length > 16 || statements.length < 1 || statements.length > 5)
    throw new Fault(`${path.length} hashes, ${statements.length} statements`);
  return {head: bytes(value[1], 'head'), at: uint(value[2], 'position'), path,
    observation: bytes(value[4], 'observation'), statements};
}

function readHead(payload) {
  const value = versioned(decode(payload), 7, 'head');
  const ranges = list(value[6], 'ranges').map(one => {
    const [stream, descriptor, first, last] = list(one, 'range', 6);
    if (uint(first, 'first seq') > uint(last, 'last seq')) throw new Fault('a range that ends before it begins');
    return {stream: uint(stream, 'stream'), descriptor: bytes(descriptor, 'descriptor', 32), first, last};
  });
  const count = uint(value[4], 'count');
  if (ranges.reduce((sum, one) => sum + one.last - one.first + 1n, 0n) !== count)
    throw new Fault(`the ranges do not add up to ${count}`);
  return {run: bytes(value[1], 'run', 32), number: uint(value[2], 'number'), count,
    root: bytes(value[5], 'root', 32), ranges};
}

async function readRun(payload) {
  const value = versioned(decode(payload), 12, 'run');
  return {credential: bytes(value[1], 'credential', 32), key: await key(ED25519, bytes(value[2], 'run key', 32)),
    possession: bytes(value[11], 'possession', 64)};
}

async function readCredential(payload) {
  const claims = decode(payload);
  if (!(claims instanceof Map) || claims.size !== 14) throw new Fault('no credential');
  const cnf = claims.get(8n), cose = cnf instanceof Map ? cnf.get(1n) : undefined;
  if (!(cose instanceof Map)) throw new Fault('a credential without a key');
  const x = bytes(cose.get(-2n), 'x', 32);
  const kind = `${cose.get(1n)} ${cose.get(-1n)} ${cose.size}`;
  let device;
  if (kind === '1 6 3') device = await key(ED25519, x);
  else if (kind === '2 1 4') device = await key(ESP256, joined(x, bytes(cose.get(-3n), 'y', 32)));
  else throw new Fault('a credential of neither an Ed25519 nor a P-256 key');
  const role = ROLES[Number(uint(claims.get(-65537n), 'role'))];
  if (role === undefined) throw new Fault('a role that is not known');
  return {issuer: text(claims.get(1n), 'iss'), subject: text(claims.get(2n), 'sub'), role, key: device,
    buses: list(claims.get(-65540n), 'buses').map(one => hex(bytes(list(one, 'bus', 3)[0], 'bus', 16))),
    terminals: list(claims.get(-65541n), 'terminals').map(one => {
      const [terminal, node, direction] = list(one, 'terminal', 3);
      return {place: `${hex(bytes(terminal, 'terminal', 16))} ${hex(bytes(node, 'bus', 16))}`, direction};
    })};
}

function readDescriptor(payload) {
  const value = versioned(decode(payload), 20, 'descriptor');
  const channels = list(value[19], 'channels').map(one => {
    const item = list(one, 'channel', 15);
    const mrid = (raw, what) => raw === null ? '' : hex(bytes(raw, what, 16));
    return {node: mrid(item[5], 'node'), terminal: mrid(item[6], 'terminal'), direction: item[7]};
  });
  return {run: bytes(value[1], 'run', 32), stream: uint(value[2], 'stream'), channels};
}

function readSample(payload) {
  const value = versioned(decode(payload), 12, 'sample');
  return {stream: uint(value[1], 'stream'), seq: uint(value[2], 'seq'), tai: uint(value[3], 'tai'),
    bound: value[4], kind: uint(value[10], 'kind'), raw: bytes(value[11], 'raw')};
}

// --- the steps

class Steps {
  constructor() { this.rows = []; }

  async take(name, what) {
    try {
      const told = await what();
      this.rows.push({name, state: HELD, told: told ?? ''});
      return true;
    } catch (fault) {
      if (!(fault instanceof Fault) && !(fault instanceof Unable)) throw fault;
      const state = fault instanceof Unable ? OPEN : FAILED;
      this.rows.push({name, state, told: fault.message, incapable: fault instanceof Incapable});
      return false;
    }
  }
}

function statement(named, name, typ, what) {
  const found = named.get(hex(name));
  if (!found) throw new Fault(`${what} ${hex(name).slice(0, 16)} is not in the proof`);
  return stated(found, typ, what);
}

function ruling(head, at) {
  for (const one of head.ranges) {
    const count = one.last - one.first + 1n;
    if (at < count) return {range: one, seq: one.first + at};
    at -= count;
  }
  throw new Fault('beyond the ranges of the head');
}

function granted(credential, channels) {
  for (const {node, terminal, direction} of channels) {
    if (node && !credential.buses.includes(node)) throw new Fault(`the credential does not name bus ${node}`);
    if (!terminal && direction !== 0n) throw new Fault('a direction is claimed, and no terminal');
    const there = credential.terminals.filter(one => one.place === `${terminal} ${node}`);
    if (terminal && !there.length) throw new Fault(`the credential does not name terminal ${terminal}`);
    if (direction !== 0n && !there.some(one => one.direction === direction))
      throw new Fault(`the credential does not name terminal ${terminal} with that direction`);
  }
}

// The rows, and what was measured. `anchors`: {log, authorities, witnesses, source}.
export async function checked(raw, anchors, asked) {
  const steps = new Steps();
  const it = {};
  await steps.take('The proof can be read', async () => {
    it.proof = readProof(raw);
    it.extra = readExtra(it.proof.extra);
    it.head = stated(await read(it.extra.head), TYP.head, 'head');
    it.says = readHead(it.head.payload);
    it.message = await read(it.extra.observation);
    if (it.message.typ !== undefined) throw new Fault('an observation has no typ');
    it.sample = readSample(it.message.payload);
    it.named = new Map();
    for (const one of it.extra.statements) {
      const message = await read(one);
      if (it.named.has(hex(message.name))) throw new Fault('a statement twice');
      it.named.set(hex(message.name), message);
    }
    it.rule = ruling(it.says, it.extra.at);
    it.descriptor = statement(it.named, it.rule.range.descriptor, TYP.descriptor, 'descriptor');
    it.described = readDescriptor(it.descriptor.payload);
    it.runs = [];
    for (const name of [it.says.run, it.described.run]) {
      const stated_ = statement(it.named, name, TYP.run, 'run');
      const run = await readRun(stated_.payload);
      const vouched = statement(it.named, run.credential, TYP.credential, 'credential');
      it.runs.push({stated: stated_, run, vouched, credential: await readCredential(vouched.payload)});
    }
    const used = [it.says.run, it.described.run, it.rule.range.descriptor, ...it.runs.map(one => one.run.credential)];
    if (it.named.size !== new Set(used.map(hex)).size)
      throw new Fault('a statement that this observation does not stand on');
    return `${raw.length} bytes`;
  });
  if (!it.runs || it.runs.length < 2 || steps.rows[0].state !== HELD) return {steps: steps.rows, sample: null};
  await takeTree(steps, it, asked);
  await takeLog(steps, it, anchors);
  await takeKeys(steps, it, anchors);
  return {steps: steps.rows, sample: it.sample, by: it.runs[1].credential, note: it.proof.note};
}

async function takeTree(steps, it, asked) {
  await steps.take('It is the observation that was asked for', () => {
    const [gateway, seq] = [it.runs[1].credential.subject, it.sample.seq];
    const found = /^([^/]+)\/.+\/(\d+)(@[0-9a-f]+)?$/.exec(asked ?? '');
    if (it.sample.seq !== it.rule.seq || it.sample.stream !== it.rule.range.stream
        || it.described.stream !== it.rule.range.stream)
      throw new Fault(`seq ${it.sample.seq} of stream ${it.sample.stream} stands in another’s place`);
    const kid = hex(it.runs[1].credential.key.kid);
    if (found && (BigInt(found[2]) !== seq || (found[1] !== gateway && !kid.startsWith(found[1]))))
      throw new Fault(`it is seq ${seq} of ${gateway}`);
    return `seq ${seq} of stream ${it.sample.stream} of ${gateway}`;
  });
  await steps.take('The observation leads to the root of its batch', async () => {
    const leaf = await leafHash(it.extra.observation);
    await checkInclusion(leaf, it.extra.at, it.says.count, it.extra.path, it.says.root, 'the observation');
    return `place ${it.extra.at} of ${it.says.count}, ${it.extra.path.length} hashes`;
  });
  await steps.take('The batch leads to the root of the log', async () => {
    const {index, path, note} = it.proof;
    await checkInclusion(await leafHash(it.extra.head), index, note.size, path, note.root, 'the batch');
    return `entry ${index} of ${note.size}, ${path.length} hashes`;
  });
}

async function takeLog(steps, it, anchors) {
  await steps.take('The log signed that root', async () => {
    if (!anchors.log) throw new Unable('no key of the log was given');
    await checkNote(it.proof.note, anchors.log);
    const whose = anchors.source === 'you' ? 'the key that you gave' : 'a key as this server says, which is no trust';
    return `${it.proof.note.origin}, by ${whose}: ${hex(anchors.log).slice(0, 16)}…`;
  });
  for (const one of anchors.witnesses) {
    await steps.take(`Witness ${one.name}`, async () => {
      const time = await cosigned(it.proof.note, one.name, one.raw);
      if (time === null) throw new Unable('did not cosign this note; whether enough did is for `gridseal-record verify`');
      return `cosigned at ${time} s after 1970, as it says`;
    });
  }
}

async function takeKeys(steps, it, anchors) {
  const [batch, sealed] = it.runs;
  await steps.take('The run key signed the batch', () => check(it.head, batch.run.key));
  await steps.take('The run key signed the descriptor', () => check(it.descriptor, sealed.run.key));
  await steps.take('The run key signed the observation', () => {
    const aad = joined(ascii('gridseal/1 observation'), it.descriptor.name);
    return check(it.message, sealed.run.key, aad);
  });
  const each = same(batch.stated.name, sealed.stated.name) ? [sealed] : [sealed, batch];
  for (const one of each) {
    const like = one === sealed ? '' : ' (of the batch)';
    await steps.take(`The device key signed the run${like}`, async () => {
      await check(one.stated, one.credential.key);
      const {alg, raw} = one.credential.key;
      const message = joined(ascii('gridseal/1 run'), cborOf(alg, raw, one.run.credential));
      if (!await signed(one.run.key, message, one.run.possession))
        throw new Fault('the run key did not sign for this device and credential');
      return `${one.credential.subject}, ${alg === ED25519 ? 'Ed25519' : 'P-256'} ${hex(one.credential.key.kid)}`;
    });
    await steps.take(`An authority signed the credential${like}`, () => takeAuthority(one, anchors));
  }
  await steps.take('The credential grants what the channels claim', () => {
    granted(sealed.credential, it.described.channels);
  });
}

function cborOf(alg, raw, credential) {
  const number = Number(-1n - alg); // both are below 24: one byte
  return joined(Uint8Array.of(0x83, 0x20 | number), blob(raw), blob(credential));
}

async function takeAuthority(one, anchors) {
  const {issuer} = one.credential;
  if (!anchors.authorities.length)
    throw new Unable(`no key of an authority was given; the credential says ${issuer}, key ${hex(one.vouched.kid)}`);
  for (const {name, raw} of anchors.authorities) {
    const by = await key(ED25519, raw);
    if (!same(by.kid, one.vouched.kid)) continue;
    await check(one.vouched, by);
    if (name !== null && name !== issuer) throw new Fault(`issued in the name of ${issuer} by the key of ${name}`);
    return `${issuer}, ${hex(by.kid)}`;
  }
  throw new Fault(`nobody that you gave has key ${hex(one.vouched.kid)}, which signed as ${issuer}`);
}

// In one line: what all of it comes to.
export function verdict(rows, anchors) {
  const bad = rows.find(one => one.state === FAILED);
  if (bad) return {like: 'is-bad', text: `Does not hold: ${bad.name.toLowerCase()}. ${bad.told}.`};
  const lacks = rows.find(one => one.incapable);
  if (lacks) return {like: 'is-doubt', lacks: lacks.told, text: `Not verified: ${lacks.told}.`};
  const open = rows.filter(one => one.state === OPEN && !one.name.startsWith('Witness '));
  if (anchors.source !== 'you')
    return {like: 'is-doubt', text: 'It is consistent, as this server says: no key of yours was compared. Give your anchors.'};
  if (open.length) return {like: 'is-doubt', text: `What was checked holds; not checked: ${open.map(one => one.name.toLowerCase()).join('; ')}.`};
  return {like: '', text: 'Holds, by the keys that you gave.'};
}
