/** What lies between the process's two threads: bytes for the worker, and signals. */

const ROOM_BYTES = 1024 * 1024;
const AHEAD_BYTES = 8 * 1024 * 1024;
/** Places in the control words. */
const FILLED = 0;
const LENGTH = 1;
const MORE = 2;
const AHEAD = 3;
const RUNNING = 4;
const SIGINT = 2;

export class Mailbox {
  static make() {
    const words = new SharedArrayBuffer(32);
    const room = new SharedArrayBuffer(ROOM_BYTES);
    const signals = new SharedArrayBuffer(1);
    return new Mailbox({ words, room, signals });
  }

  constructor(memory) {
    this.memory = memory;
    this.words = new Int32Array(memory.words);
    this.room = new Uint8Array(memory.room);
    this.signals = new Uint8Array(memory.signals);
    this.waiting = [];
    this.filling = false;
  }

  // -- the main thread's side

  send(kind, channel, payload) {
    const message = new Uint8Array(2 + payload.length);
    message.set([kind, channel]);
    message.set(payload, 2);
    this.waiting.push(message);
    if (!this.filling) {
      this.fill();
    }
  }

  async fill() {
    this.filling = true;
    while (this.waiting.length > 0) {
      const message = this.waiting.shift();
      for (let at = 0; at < message.length; at += ROOM_BYTES) {
        while (Atomics.load(this.words, FILLED) === 1) {
          await Atomics.waitAsync(this.words, FILLED, 1).value;
        }
        const piece = message.subarray(at, at + ROOM_BYTES);
        this.room.set(piece);
        Atomics.store(this.words, LENGTH, piece.length);
        Atomics.store(this.words, MORE, at + ROOM_BYTES < message.length ? 1 : 0);
        Atomics.store(this.words, FILLED, 1);
        Atomics.notify(this.words, FILLED);
      }
    }
    this.filling = false;
  }

  /** Make running Python look up. An interrupt is never overwritten, and means a running cell. */
  signal(number) {
    if (Atomics.load(this.words, RUNNING) === 1 && this.signals[0] !== SIGINT) {
      this.signals[0] = number;
    }
  }

  /** So many bytes of the worker's have left the process. */
  written(size) {
    if (size > 0) {
      Atomics.sub(this.words, AHEAD, size);
      Atomics.notify(this.words, AHEAD);
    }
  }

  // -- the worker's side

  /** The next message, undefined if none comes within so many milliseconds. */
  take(patience) {
    const pieces = [];
    for (;;) {
      if (Atomics.load(this.words, FILLED) === 0) {
        const wait = pieces.length > 0 ? Infinity : patience;
        if (Atomics.wait(this.words, FILLED, 0, wait) === 'timed-out') {
          return undefined;
        }
      }
      pieces.push(this.room.slice(0, Atomics.load(this.words, LENGTH)));
      const more = Atomics.load(this.words, MORE) === 1;
      Atomics.store(this.words, FILLED, 0);
      Atomics.notify(this.words, FILLED);
      if (!more) {
        return pieces.length === 1 ? pieces[0] : new Uint8Array(pieces.flatMap(p => [...p]));
      }
    }
  }

  setRunning(running) {
    Atomics.store(this.words, RUNNING, running ? 1 : 0);
  }

  /** Wait until the host has taken enough of what was sent before; then count this in. */
  account(size) {
    let ahead = Atomics.load(this.words, AHEAD);
    while (ahead > AHEAD_BYTES) {
      Atomics.wait(this.words, AHEAD, ahead, 100);
      ahead = Atomics.load(this.words, AHEAD);
    }
    Atomics.add(this.words, AHEAD, size);
  }
}
