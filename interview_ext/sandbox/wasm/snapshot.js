/** Writes to stdout the memory of a Python that has loaded the kernel of `kernel.py`. */

import { loadPyodide } from './pyodide/pyodide.mjs';

const folder = new URL('.', import.meta.url).pathname;
const python = await loadPyodide({ indexURL: `${folder}pyodide/`, _makeSnapshot: true });
const library = python.runPython('import sys; sys.path[-1]');
python.FS.writeFile(
  `${library}/interview_kernel.py`,
  Deno.readTextFileSync(`${folder}kernel.py`)
);
python.runPython('import importlib; importlib.invalidate_caches(); import interview_kernel');
const memory = python.makeMemorySnapshot();
for (let at = 0; at < memory.length; ) {
  at += Deno.stdout.writeSync(memory.subarray(at));
}
