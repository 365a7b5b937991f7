/** The thread that runs Python, from a snapshot of its memory. */

import { loadPyodide } from './pyodide/pyodide.mjs';
import { Mailbox } from './mailbox.js';

const FRAME_BYTES = 64;
// Stdout carries frames, and nothing else may get in between.
for (const name of ['log', 'info', 'debug', 'warn', 'error', 'trace', 'table']) {
  console[name] = () => undefined;
}

self.onmessage = async event => {
  const mailbox = new Mailbox(event.data);
  const folder = new URL('.', import.meta.url).pathname;
  const python = await loadPyodide({
    indexURL: `${folder}pyodide/`,
    _loadSnapshot: Deno.readFileSync(`${folder}snapshot.bin`),
    stdout: () => undefined,
    stderr: () => undefined
  });
  python.setInterruptBuffer(mailbox.signals);
  const kernel = python.pyimport('interview_kernel');
  const post = (kind, channel, bytes) => {
    const buffer = bytes.getBuffer('u8');
    const data = buffer.data.slice();
    buffer.release();
    const size = FRAME_BYTES + data.length;
    mailbox.account(size);
    self.postMessage({ kind, channel, data, size });
  };
  kernel.serve(
    patience => {
      const found = mailbox.take(patience);
      if (found === undefined) {
        python.checkInterrupt();
      }
      return found;
    },
    post,
    running => mailbox.setRunning(running)
  );
  self.postMessage({ kind: 0 });
};
