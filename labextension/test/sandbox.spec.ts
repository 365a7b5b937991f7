import { nullTranslator } from '@jupyterlab/translation';

import { isolationText, surroundings } from '../src/execution/isolation';

const trans = nullTranslator.load('');

describe('what the panel says of a sandbox', () => {
  it('names an engine that isolates nothing, and what cells reach', () => {
    expect(isolationText('none', trans)).toBe('not isolated');
    const rows = surroundings('none', trans);
    expect(rows.map(([name]) => name)).toEqual(['Isolation']);
    expect(rows[0]?.[1]).toContain('cells can read files of this server');
  });

  it('says that WebAssembly has the standard library only', () => {
    expect(isolationText('webassembly', trans)).toContain('standard library only');
    const rows = new Map(surroundings('webassembly', trans));
    expect(rows.get('Packages')).toContain('standard library only');
    expect(rows.get('Network')).toBe('none');
  });

  it('claims a container and no network for containers alone', () => {
    expect(isolationText('container', trans)).toBe('container, no network');
    for (const other of ['webassembly', 'none'] as const) {
      expect(isolationText(other, trans)).not.toContain('container');
    }
  });
});
