// Runs a script under the WebAssembly build of MicroPython, with a folder of files put before it.
//
//   node board.mjs MICROPYTHON.mjs SCRIPT.py FOLDER
//
// What the script prints is printed; where it raises, the exit code is 1.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [build, script, folder] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(build));
const stdout = (line) => console.log(line);
const python = await loadMicroPython({ heapsize: 2 * 1024 * 1024, stdout });

function put(from, to) {
  python.FS.mkdir(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [one, there] = [join(from, entry.name), `${to}/${entry.name}`];
    if (entry.isDirectory()) put(one, there);
    else python.FS.writeFile(there, readFileSync(one));
  }
}

put(folder, "/board");
try {
  python.runPython("import sys\nsys.argv[:] = ['script', '/board']");
  python.runPython(readFileSync(script, "utf8"));
} catch (error) {
  console.error(String(error));
  process.exit(1);
}
