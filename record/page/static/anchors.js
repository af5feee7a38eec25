// Whom to believe, out of an anchors.toml that was opened in the page: the log's key, the
// authorities', and the witnesses of a policy that stands in it. Of TOML only what such a file has:
// tables, texts in double quotes, lists on one line, comments. What is not understood is refused.

import {Fault} from './cbor.js';
import {fromBase64} from './note.js';

export function fromHex(text, what) {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new Fault(`${what}: expected 64 hex digits`);
  return Uint8Array.from(text.match(/../g), pair => parseInt(pair, 16));
}

export function readAnchors(text) {
  const found = {log: null, authorities: [], witnesses: []};
  let table = {}, policy = '';
  const tables = [];
  const several = /^witness_policy\s*=\s*("""|''')\n?([\s\S]*?)\1/m.exec(text);
  if (several) {
    policy = several[2];
    text = text.replace(several[0], '');
  }
  for (const [number, line] of text.split(/\r?\n/).entries()) {
    const bare = line.trim();
    if (!bare || bare.startsWith('#')) continue;
    const head = /^(\[\[authority\]\]|\[\[board\]\]|\[log\])\s*(#.*)?$/.exec(bare);
    if (head) {
      table = {of: head[1]};
      tables.push(table);
      continue;
    }
    const pair = /^([a-z_]+)\s*=\s*("(?:[^"\\]|\\.)*"|\[[^\]]*\])\s*(#.*)?$/.exec(bare);
    if (!pair || pair[1] in table) throw new Fault(`line ${number + 1} of the anchors is not understood`);
    table[pair[1]] = pair[2].startsWith('"') ? unquoted(pair[2], number + 1) : pair[2];
    if (pair[1] === 'witness_policy') policy = table.witness_policy;
  }
  for (const one of tables) {
    if (typeof one.key !== 'string' || typeof one.name !== 'string') throw new Fault(`${one.of} without name or key`);
    const raw = fromHex(one.key, `the key of ${one.name}`);
    if (one.of === '[[board]]') continue; // whose heads this page does not check
    if (one.of !== '[log]') found.authorities.push({name: one.name, raw});
    else if (found.log) throw new Fault('two logs in the anchors');
    else found.log = raw;
  }
  if (!found.log) throw new Fault('anchors without the key of a log');
  found.witnesses = witnessesOf(policy);
  return found;
}

function unquoted(text, line) {
  try {
    return JSON.parse(text); // TOML's escapes but \U are JSON's
  } catch {
    throw new Fault(`line ${line} of the anchors is not understood`);
  }
}

// C2SP tlog-policy: `witness NAME VKEY [URL]`.
function witnessesOf(policy) {
  const found = [];
  for (const line of policy.split('\n')) {
    const words = line.trim().split(/[ \t]+/);
    if (words[0] !== 'witness' || words.length < 3) continue;
    const [, name, key] = /^([^+]+)\+[0-9a-f]{8}\+(.+)$/.exec(words[2]) ?? [];
    const raw = key === undefined ? new Uint8Array(0) : fromBase64(key, `the key of ${words[1]}`);
    if (raw.length !== 33 || raw[0] !== 4) throw new Fault(`${words[1]}: no key of a witness`);
    found.push({name, raw: raw.subarray(1)});
  }
  return found;
}
