import { YNotebook } from '@jupyter/ydoc';
import * as Y from 'yjs';

/** Two pages on one notebook: what one does, the other has at once. */
function pages(): [YNotebook, YNotebook] {
  const mine = new YNotebook({ disableDocumentWideUndoRedo: true });
  const theirs = new YNotebook({ disableDocumentWideUndoRedo: true });
  const link = (from: Y.Doc, to: Y.Doc): void => {
    from.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'wire') {
        Y.applyUpdate(to, update, 'wire');
      }
    });
  };
  link(mine.ydoc, theirs.ydoc);
  link(theirs.ydoc, mine.ydoc);
  mine.addCell({ cell_type: 'code', source: 'x = 1' });
  return [mine, theirs];
}

// JupyterLab's own behaviour, on which the page relies: nobody undoes somebody else's work.
describe('undo in a shared notebook', () => {
  it('takes back only what was typed in the same page', () => {
    const [mine, theirs] = pages();
    mine.getCell(0).clearUndoHistory();
    mine.getCell(0).updateSource(5, 5, ' + mine');
    theirs.getCell(0).updateSource(0, 0, '# theirs\n');
    mine.getCell(0).undo();
    expect(theirs.getCell(0).getSource()).toBe('# theirs\nx = 1');
    expect(mine.getCell(0).undo()).toBe(false);
    expect(mine.getCell(0).getSource()).toBe('# theirs\nx = 1');
  });

  it('brings back a deleted cell of one’s own doing, not of others’', () => {
    const [mine, theirs] = pages();
    mine.addCell({ cell_type: 'code', source: 'y = 2' });
    mine.clearUndoHistory();
    theirs.deleteCell(0);
    expect(mine.undo()).toBe(false);
    mine.deleteCell(0);
    expect(theirs.cells).toHaveLength(0);
    mine.undo();
    expect(theirs.cells.map(cell => cell.getSource())).toEqual(['y = 2']);
  });
});
