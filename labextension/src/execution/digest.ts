/** SHA-256 of text, also where the browser has no `crypto.subtle` (plain HTTP). */

const encoder = new TextEncoder();

/** Return the SHA-256 of the text's UTF-8 bytes, in hexadecimal. */
export async function sha256(text: string): Promise<string> {
  const bytes = encoder.encode(text);
  // Not there outside secure contexts, whatever the types say.
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  return subtle
    ? toHex(new Uint8Array(await subtle.digest('SHA-256', bytes)))
    : sha256Pure(bytes);
}

/** The first 32 bits of the fractional parts of a root of each of the first primes. */
function rootBits(count: number, root: (prime: number) => number): Uint32Array {
  const bits = new Uint32Array(count);
  for (let candidate = 2, found = 0; found < count; candidate++) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
      prime &&= candidate % divisor !== 0;
    }
    if (prime) {
      bits[found++] = (root(candidate) % 1) * 2 ** 32;
    }
  }
  return bits;
}

/** SHA-256 as in FIPS 180-4, section 6.2. */
export function sha256Pure(message: Uint8Array): string {
  const constants = rootBits(64, Math.cbrt);
  const hash = rootBits(8, Math.sqrt);
  const blocks = Math.ceil((message.length + 9) / 64);
  const padded = new DataView(new ArrayBuffer(blocks * 64));
  message.forEach((byte, index) => {
    padded.setUint8(index, byte);
  });
  padded.setUint8(message.length, 0x80);
  padded.setBigUint64(blocks * 64 - 8, BigInt(message.length) * 8n);
  const words = new Uint32Array(64);
  const word = (index: number): number => words[index] ?? 0;
  const rotate = (value: number, by: number): number =>
    (value >>> by) | (value << (32 - by));
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) {
        words[i] = padded.getUint32(block * 64 + i * 4);
        continue;
      }
      const before = word(i - 15);
      const last = word(i - 2);
      const s0 = rotate(before, 7) ^ rotate(before, 18) ^ (before >>> 3);
      const s1 = rotate(last, 17) ^ rotate(last, 19) ^ (last >>> 10);
      words[i] = word(i - 16) + s0 + word(i - 7) + s1;
    }
    compress(hash, words, constants, rotate);
  }
  return [...hash].map(part => part.toString(16).padStart(8, '0')).join('');
}

function compress(
  hash: Uint32Array,
  words: Uint32Array,
  constants: Uint32Array,
  rotate: (value: number, by: number) => number
): void {
  const state = [...hash] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number
  ];
  for (let i = 0; i < 64; i++) {
    const [a, b, c, d, e, f, g, h] = state;
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = (e & f) ^ (~e & g);
    const first = (h + s1 + choice + (constants[i] ?? 0) + (words[i] ?? 0)) >>> 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    state.pop();
    state.unshift((first + s0 + majority) >>> 0);
    state[4] = (d + first) >>> 0;
  }
  state.forEach((value, index) => {
    hash[index] = (hash[index] ?? 0) + value;
  });
}

function toHex(bytes: Uint8Array): string {
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
}
