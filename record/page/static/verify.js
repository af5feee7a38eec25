// The form: asks for a proof, or takes a file's, and shows what check.js found, step by step. What
// is typed or opened here stays in the browser.

import {Fault, hex} from './cbor.js';
import {fromHex, readAnchors} from './anchors.js';
import {checked, verdict} from './check.js';
import {Incapable} from './cose.js';

const ANCHORS_BYTES_MAX = 1 << 20, PROOF_BYTES_MAX = 1 << 21;
const form = document.getElementById('verify-form');
const shown = document.getElementById('verdict');
const field = name => document.getElementById(name);

async function fileOf(name, most) {
  const file = field(name).files[0];
  if (!file) return null;
  if (file.size > most) throw new Fault(`${file.name} is longer than any such file`);
  return new Uint8Array(await file.arrayBuffer());
}

async function anchorsOf() {
  const raw = await fileOf('anchors', ANCHORS_BYTES_MAX);
  if (raw) return {...readAnchors(new TextDecoder().decode(raw)), source: 'you'};
  const typed = field('log-key').value.trim(), authority = field('authority-key').value.trim();
  const authorities = authority ? [{name: null, raw: fromHex(authority, 'the authority’s key')}] : [];
  if (typed) return {log: fromHex(typed, 'the log’s key'), authorities, witnesses: [], source: 'you'};
  const said = shown.dataset.log;
  return {log: fromHex(said, 'the log’s key'), authorities, witnesses: [], source: 'server'};
}

async function proofOf(sample) {
  const raw = await fileOf('proof', PROOF_BYTES_MAX);
  if (raw) return [raw, null];
  const answer = await fetch(`page/proof?sample=${encodeURIComponent(sample)}`, {cache: 'no-store'});
  const body = new Uint8Array(await answer.arrayBuffer());
  if (!answer.ok) throw new Fault(new TextDecoder().decode(body).trim());
  return [body, sample];
}

function made(name, text, like) {
  const one = document.createElement(name);
  one.textContent = text;
  if (like) one.className = like;
  return one;
}

function row(one) {
  const item = document.createElement('li');
  const mark = {'holds': '✓ ', 'does not hold': '✗ ', 'not checked': '? '}[one.state];
  item.append(made('strong', mark + one.state, `word is-${one.state.replaceAll(' ', '-')}`), ` ${one.name}`);
  if (one.told) item.append(`: ${one.told}`);
  return item;
}

// Where this browser cannot: the same checks by a program.
function elsewhere() {
  const how = made('p', 'The same is checked without a browser, by an installation of your own: ');
  const address = document.createElement('a');
  const sample = field('sample').value.trim();
  address.href = `page/proof?sample=${encodeURIComponent(sample)}`;
  address.download = 'observation.proof';
  address.textContent = 'download the proof';
  how.append(address, ' (or, beside the record, ', made('code', `gridseal-record prove STORE --sample ${sample} --out observation.proof`),
    '), and ', made('code', 'gridseal-record verify observation.proof --anchors anchors.toml'), '.');
  return [how];
}

function show(found, anchors) {
  const {like, lacks, text} = verdict(found.steps, anchors);
  const list = document.createElement('ol');
  list.append(...found.steps.map(row));
  const parts = [made('p', text, `result ${like}`), ...(lacks ? elsewhere() : []), list];
  if (found.sample) {
    const {tai, kind, raw} = found.sample;
    const of = `Measured at ${tai} ns TAI by ${found.by.subject} (${found.by.role}); kind ${kind}, ${raw.length} bytes: `;
    const bytes = made('p', of);
    bytes.append(made('code', hex(raw.subarray(0, 32)) + (raw.length > 32 ? '…' : '')));
    parts.push(bytes, made('p', 'This shows that the device sealed these bytes and the log has them; not what they are'
      + ' worth, nor whether a key was revoked since: `gridseal-record verify` does.'));
  }
  shown.replaceChildren(...parts);
}

form.addEventListener('submit', async event => {
  event.preventDefault();
  shown.replaceChildren(made('p', 'Checking …'));
  try {
    const anchors = await anchorsOf();
    const [raw, asked] = await proofOf(field('sample').value.trim());
    show(await checked(raw, anchors, asked), anchors);
  } catch (fault) {
    if (fault instanceof Incapable) {
      shown.replaceChildren(made('p', `Not verified: ${fault.message}.`, 'result is-doubt'), ...elsewhere());
      return;
    }
    const known = fault instanceof Fault || fault instanceof TypeError;
    shown.replaceChildren(made('p', known ? `Not checked: ${fault.message}` : `A mistake of this page: ${fault}`, 'result is-bad'));
  }
});
