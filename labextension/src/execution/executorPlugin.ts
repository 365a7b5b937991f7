/** Has JupyterLab run cells through the room, and says why when it may not. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import { INotebookCellExecutor, NotebookPanel } from '@jupyterlab/notebook';
import type { Widget } from '@lumino/widgets';

import { IAnnouncer, IRoom } from '../tokens';
import { RoomExecutor } from './executor';

export const executorPlugin: JupyterFrontEndPlugin<INotebookCellExecutor> = {
  id: 'jupyter-interview-rooms:executor',
  description: 'Runs the cells of an interview on the server.',
  autoStart: true,
  requires: [IRoom, IAnnouncer],
  provides: INotebookCellExecutor,
  activate: (
    _: JupyterFrontEnd,
    room: IRoom,
    announcer: IAnnouncer
  ): INotebookCellExecutor => {
    const executor = new RoomExecutor(room, cell => documentOf(room, cell));
    let shown = '';
    const show = (text: string): void => {
      // Holding Shift+Enter down makes one message, not twenty.
      Notification.dismiss(shown);
      shown = Notification.error(text, { autoClose: 10_000 });
      announcer.say(text, { urgent: true });
    };
    executor.refused.connect((_sender, { error }) => {
      show(error.text);
    });
    return executor;
  }
};

/** The id of the room's document that is open in the panel the cell is in. */
function documentOf(room: IRoom, cell: Cell): string | null {
  let widget: Widget | null = cell;
  while (widget !== null && !(widget instanceof NotebookPanel)) {
    widget = widget.parent;
  }
  const path = widget?.context.localPath;
  return room.room?.documents.find(document => document.path === path)?.id ?? null;
}
