/**
 * First process of a sandbox of the WebAssembly engine: frames on stdio, the kernel in a worker.
 *
 * Frames are those of `sandbox_images/python/shim.py`. A worker that runs Python hears no events,
 * so what is meant for it lies in shared memory (`Mailbox`), and it is woken by a signal there.
 */

import { FrameReader, KIND, CHANNEL, pack, headerOf } from './frames.js';
import { Mailbox } from './mailbox.js';

const VERSION = 2;
const SIGINT = 2;
const SIGUSR1 = 10;

const mailbox = Mailbox.make();
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
const outgoing = [];
let wake = () => undefined;
let sent = 0;
let received = 0;
let greeted = false;

/** Write what waits, one frame after the other. */
async function writeAll() {
  for (;;) {
    while (outgoing.length > 0) {
      const { bytes, size, last } = outgoing.shift();
      for (let at = 0; at < bytes.length; ) {
        at += await Deno.stdout.write(bytes.subarray(at));
      }
      mailbox.written(size);
      if (last) {
        Deno.exit(0);
      }
    }
    await new Promise(resolve => {
      wake = resolve;
    });
  }
}

function write(bytes, size = 0, last = false) {
  outgoing.push({ bytes, size, last });
  wake();
}

function greet(hello) {
  if (greeted) {
    throw new Error('the host greets twice');
  }
  greeted = true;
  const answer = { version: VERSION, received: 0, next: 1, run: '', lost_bytes: 0 };
  const sync = Uint8Array.from(hello.sync.match(/../g), pair => parseInt(pair, 16));
  const frame = pack(KIND.HELLO, 0, 0, new TextEncoder().encode(JSON.stringify(answer)));
  write(new Uint8Array([...sync, ...frame]));
  reader.limit = hello.max_message_bytes + 65536;
}

function take({ kind, channel, number, payload }) {
  if (kind === KIND.HELLO) {
    greet(JSON.parse(new TextDecoder().decode(payload)));
    mailbox.send(kind, channel, payload);
  } else if (kind === KIND.MESSAGE || kind === KIND.FILE) {
    if (number !== received + 1) {
      throw new Error('a gap in the numbers');
    }
    received = number;
    write(pack(KIND.ACK, 0, received, new Uint8Array()));
    mailbox.send(kind, channel, payload);
    const interrupt =
      channel === CHANNEL.CONTROL && headerOf(payload).msg_type === 'interrupt_request';
    mailbox.signal(interrupt ? SIGINT : SIGUSR1);
  }
}

worker.onmessage = event => {
  const { kind, channel, data, size } = event.data;
  if (kind === 0) {
    write(new Uint8Array(), 0, true);
  } else {
    sent += 1;
    write(pack(kind, channel, sent, data), size);
  }
};
worker.onerror = event => {
  console.error(event.message);
  Deno.exit(1);
};
worker.postMessage(mailbox.memory);

const reader = new FrameReader(65536);
writeAll();
for await (const chunk of Deno.stdin.readable) {
  for (const frame of reader.feed(chunk)) {
    take(frame);
  }
}
Deno.exit(0);
