/** Shows what `input()` asks under the cell that runs, also after a reload. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator } from '@jupyterlab/translation';

import { IRoom } from '../tokens';
import { showBelow } from './below';
import { InputCell } from './InputCell';

export const inputPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:input',
  description: 'Lets whoever may run cells answer a program that asks for input.',
  autoStart: true,
  requires: [IRoom, INotebookTracker, ITranslator],
  activate: (
    _: JupyterFrontEnd,
    room: IRoom,
    notebooks: INotebookTracker,
    translator: ITranslator
  ): void => {
    const trans = translator.load('jupyter_interview_rooms');
    let shown: { runId: string; widget: InputCell } | null = null;

    const find = (runId: string): Cell | undefined => {
      const cellId = room.runById(runId)?.cell_id;
      let found: Cell | undefined;
      notebooks.forEach(panel => {
        found ??= panel.content.widgets.find(cell => cell.model.id === cellId);
      });
      return found;
    };
    const show = (): void => {
      const runId = room.input?.run_id;
      if (shown?.runId === runId && shown?.widget.isDisposed === false) {
        return;
      }
      shown?.widget.dispose();
      shown = null;
      const cell = runId === undefined ? undefined : find(runId);
      if (runId !== undefined && cell !== undefined) {
        const focus = room.runById(runId)?.by === room.room?.me.participant_id;
        const widget = new InputCell({ model: room, trans, focus });
        shown = { runId, widget };
        showBelow(cell, widget);
      }
    };
    room.changed.connect(show);
    notebooks.widgetAdded.connect((_sender, panel) => {
      void panel.revealed.then(show);
    });
  }
};
