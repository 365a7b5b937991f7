/** Follows the notebooks of the page and says what of them is saved. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ICollaborativeContentProvider } from '@jupyter/collaborative-drive';
import { YNotebook } from '@jupyter/ydoc';

import { IRoom, ISaved } from '../tokens';
import { SavedModel } from './model';
import type { SocketProvider } from './renew';
import { renew } from './renew';

export const savedPlugin: JupyterFrontEndPlugin<ISaved> = {
  id: 'jupyter-interview-rooms:saved',
  description: 'Knows which of the own edits in this page the server has saved.',
  autoStart: true,
  requires: [IRoom, INotebookTracker],
  optional: [ICollaborativeContentProvider],
  provides: ISaved,
  activate: (
    _: JupyterFrontEnd,
    room: IRoom,
    notebooks: INotebookTracker,
    contents: ICollaborativeContentProvider | null
  ): ISaved => {
    const saved = new SavedModel(room);
    const follow = async (panel: NotebookPanel): Promise<void> => {
      await Promise.all([panel.context.ready, room.ready]);
      const shared = panel.context.model.sharedModel;
      const document = room.room?.documents.find(
        other => other.path === panel.context.localPath
      );
      if (document && shared instanceof YNotebook && !panel.isDisposed) {
        const following = saved.follow(document.id, shared.ydoc, lostAt => {
          const key = `json:notebook:${panel.context.localPath}`;
          const found = contents?.providers.get(key) as
            { wsProvider?: SocketProvider | null } | undefined;
          if (found?.wsProvider) {
            renew(found.wsProvider, lostAt);
          }
        });
        panel.disposed.connect(() => {
          following.dispose();
        });
      }
    };
    notebooks.forEach(panel => void follow(panel));
    notebooks.widgetAdded.connect((_sender, panel) => void follow(panel));
    return saved;
  }
};
