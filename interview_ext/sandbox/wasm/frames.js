/** Frames as the shim of the images speaks them; see `sandbox_images/python/shim.py`. */

const HEADER_BYTES = 16;
export const KIND = {
  HELLO: 1,
  ACK: 2,
  PING: 3,
  MESSAGE: 4,
  FILE: 5,
  REPLY: 6,
  NOTICE: 7
};
export const CHANNEL = { SHELL: 1, CONTROL: 2, STDIN: 3, IOPUB: 4, HEARTBEAT: 5 };

export function pack(kind, channel, number, payload) {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, payload.length);
  view.setUint8(4, kind);
  view.setUint8(5, channel);
  view.setBigUint64(8, BigInt(number));
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  constructor(limit) {
    this.limit = limit;
    this.buffer = new Uint8Array();
  }

  *feed(data) {
    const joined = new Uint8Array(this.buffer.length + data.length);
    joined.set(this.buffer);
    joined.set(data, this.buffer.length);
    this.buffer = joined;
    while (this.buffer.length >= HEADER_BYTES) {
      const view = new DataView(this.buffer.buffer, this.buffer.byteOffset);
      const length = view.getUint32(0);
      if (length > this.limit) {
        throw new Error('bad header');
      }
      if (this.buffer.length < HEADER_BYTES + length) {
        return;
      }
      const payload = this.buffer.slice(HEADER_BYTES, HEADER_BYTES + length);
      const frame = {
        kind: view.getUint8(4),
        channel: view.getUint8(5),
        number: Number(view.getBigUint64(8)),
        payload
      };
      this.buffer = this.buffer.subarray(HEADER_BYTES + length);
      yield frame;
    }
  }
}

/** A kernel message's own header, {} where there is none to be read. */
export function headerOf(payload) {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const decoder = new TextDecoder();
  let at = 2 + 4 * view.getUint16(0);
  let place = -1;
  for (let part = 0; part < view.getUint16(0); part++) {
    const size = view.getUint32(2 + 4 * part);
    const text = place < 0 || place === 1 ? decoder.decode(payload.subarray(at, at + size)) : '';
    if (place === 1) {
      return JSON.parse(text);
    }
    place = place >= 0 || text === '<IDS|MSG>' ? place + 1 : place;
    at += size;
  }
  return {};
}
