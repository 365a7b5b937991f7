/** Tells the room who types in the page's notebooks. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import { YNotebook } from '@jupyter/ydoc';

import { IRoom } from '../tokens';
import { followTyping } from './typing';

export const typingPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:typing',
  description: 'Knows who else types in this page’s notebook.',
  autoStart: true,
  requires: [IRoom, INotebookTracker],
  activate: (_: JupyterFrontEnd, room: IRoom, notebooks: INotebookTracker): void => {
    const follow = async (panel: NotebookPanel): Promise<void> => {
      await panel.context.ready;
      const shared = panel.context.model.sharedModel;
      if (shared instanceof YNotebook && !panel.isDisposed) {
        const following = followTyping(shared.ydoc, shared.awareness, participant => {
          room.noteTyping(participant);
        });
        panel.disposed.connect(() => {
          following.dispose();
        });
      }
    };
    notebooks.forEach(panel => void follow(panel));
    notebooks.widgetAdded.connect((_sender, panel) => void follow(panel));
  }
};
