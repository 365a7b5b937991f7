import { sha256, sha256Pure } from '../src/execution/digest';

/** Texts with their digests as Python's hashlib has them, around the ends of blocks. */
const TEXTS: [string, string][] = [
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  [
    'print("hello")',
    '957e13c0732e48fd5496f935894dc93a9da7dcd5eb8ffea52646fdf178cda1d1'
  ],
  ['é🙂\n\tx = 1', '6e65ed36f45041afbd3ec66b889ff251614da94a6fe6ad4a8fb2c9742a63962f'],
  ['x'.repeat(54), '45f316e10b2c99abf374b22bda893cf3300d77263f1e272349ed414680522952'],
  ['x'.repeat(55), 'd5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072'],
  ['x'.repeat(56), '04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e'],
  ['x'.repeat(57), 'ae14a2563ccf969d99aca69ce6bb74981f734bbf9f655f73b8f06db68cab5217'],
  ['x'.repeat(63), '75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2'],
  ['x'.repeat(64), '7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c'],
  ['x'.repeat(65), '9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9'],
  ['x'.repeat(119), '000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c'],
  ['x'.repeat(120), '13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98'],
  ['x'.repeat(1000), '44f8354494a5ba03ba1792a8d3e9c534c47a9181980fde7a3f44b06ef2ae7c7f']
];

describe('sha256', () => {
  it.each(TEXTS)('of %j is %s', async (text, digest) => {
    expect(sha256Pure(new TextEncoder().encode(text))).toBe(digest);
    expect(await sha256(text)).toBe(digest);
  });
});
