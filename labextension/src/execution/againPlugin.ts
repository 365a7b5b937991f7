/** After a kernel's end: says why, and offers to run what stands above again. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ITranslator } from '@jupyterlab/translation';

import { IAnnouncer, IRoom } from '../tokens';

/** Runs all cells above the one in which the kernel ended. */
export const RUN_ABOVE = 'jupyter-interview-rooms:run-above';

export const againPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:again',
  description: 'Runs the cells above again after a kernel’s end.',
  autoStart: true,
  requires: [IRoom, INotebookTracker, IAnnouncer, ITranslator],
  activate: (
    { commands }: JupyterFrontEnd,
    room: IRoom,
    notebooks: INotebookTracker,
    announcer: IAnnouncer,
    translator: ITranslator
  ): void => {
    const trans = translator.load('jupyter_interview_rooms');
    commands.addCommand(RUN_ABOVE, {
      label: trans.__('Run the Cells Above Again'),
      isEnabled: () => room.may('run') && room.lost !== null,
      execute: async () => {
        const { lost } = room;
        const cellId = lost?.run.cell_id;
        const panel = notebooks.find(({ content }) =>
          content.widgets.some(cell => cell.model.id === cellId)
        );
        if (panel) {
          const { content, sessionContext } = panel;
          const last = content.widgets.findIndex(cell => cell.model.id === cellId);
          // What ended the kernel is for the person to decide about.
          const above = content.widgets.slice(0, lost?.within ? last : last + 1);
          await NotebookActions.runCells(content, above, sessionContext);
        }
      }
    });

    let shown = '';
    room.runEnded.connect((_, run) => {
      if (run.state !== 'died' || run.by !== room.room?.me.participant_id) {
        return;
      }
      const text = trans.__(
        'The kernel ended while the cell was running: %1. The notebook is intact; all variables are gone.',
        run.death ?? trans.__('unknown reason')
      );
      Notification.dismiss(shown);
      shown = Notification.error(text, {
        autoClose: 20_000,
        actions: [
          {
            label: trans.__('Run the cells above again'),
            callback: () => {
              void commands.execute(RUN_ABOVE);
            }
          }
        ]
      });
      announcer.say(text, { urgent: true });
    });
  }
};
