/** Shows beside its cell what a run has tried to reach in vain: help, never evidence. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator } from '@jupyterlab/translation';

import { IRoom } from '../tokens';
import { showBelow } from './below';
import { NetworkNote } from './NetworkNote';

export const networkPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:network',
  description:
    'Says beside a cell that there is no network, when it tried to reach something.',
  autoStart: true,
  requires: [IRoom, INotebookTracker, ITranslator],
  activate: (
    _: JupyterFrontEnd,
    room: IRoom,
    notebooks: INotebookTracker,
    translator: ITranslator
  ): void => {
    const trans = translator.load('jupyter_interview_rooms');
    const notes = new WeakMap<Cell, NetworkNote>();

    const show = (cell: Cell): void => {
      const run = room.run(cell.model.id);
      const targets = run?.network_reported ?? [];
      let note = notes.get(cell);
      if (note && (note.runId !== run?.id || note.isDisposed)) {
        note.dispose();
        notes.delete(cell);
        note = undefined;
      }
      if (run === null || targets.length === 0) {
        return;
      }
      if (note === undefined) {
        note = new NetworkNote(run.id, trans);
        notes.set(cell, note);
        showBelow(cell, note);
      }
      note.tell(targets);
    };
    const showAll = (): void => {
      notebooks.forEach(panel => {
        panel.content.widgets.forEach(show);
      });
    };
    room.changed.connect(showAll);
    notebooks.widgetAdded.connect((_sender, panel) => {
      void panel.revealed.then(showAll);
      panel.content.modelContentChanged.connect(showAll);
    });
  }
};
