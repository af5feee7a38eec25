// Runs probe.py under the WebAssembly build of MicroPython, whose words have 32 bits as a board's.
//
//   node probe.mjs MICROPYTHON.mjs PROBE.py FOLDER rates | heap SECONDS
//
// Garbage is collected between two scripts only: each turn of the firmware is one.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [build, script, folder, what, seconds] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(build));
const stdout = (line) => console.log(line);
const python = await loadMicroPython({ heapsize: 1024 * 1024, stdout });

function put(from, to) {
  python.FS.mkdir(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [one, there] = [join(from, entry.name), `${to}/${entry.name}`];
    if (entry.isDirectory()) put(one, there);
    else python.FS.writeFile(there, readFileSync(one));
  }
}

put(folder, "/board");
python.runPython("import sys, gc\nsys.path.insert(0, '/board')");
python.FS.writeFile("/board/probe.py", readFileSync(script));
if (what === "rates") {
  python.runPython("import probe, json\nprint(json.dumps(probe.rates()))");
} else {
  python.runPython("import gc\ngc.collect()");
  python.runPython("before = gc.mem_alloc()\nimport probe");
  python.runPython("gc.collect()");
  python.runPython(`own = gc.mem_alloc() - before\nprobe.begin(${seconds})`);
  for (let turn = 0; turn < 1500; turn++) {
    python.runPython("gc.collect()");
    python.runPython("probe.board.step()");
  }
  python.runPython("gc.collect()");
  python.runPython(
    "print('{\"live_bytes\": %d, \"peak_bytes\": %d}'" +
      " % (gc.mem_alloc() - own, probe.board.peak - own))",
  );
}
