/** Reports how edits in the page's notebooks came about. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  EditorExtensionRegistry,
  IEditorExtensionRegistry
} from '@jupyterlab/codemirror';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import { EditorView } from '@codemirror/view';
import { YNotebook } from '@jupyter/ydoc';

import { IRoom } from '../tokens';
import type { Origin } from './origins';
import { OriginTracker, originOf } from './origins';

export const originPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:origin',
  description: 'Reports how the own edits in this page came about: typed, pasted.',
  autoStart: true,
  requires: [IRoom, INotebookTracker, IEditorExtensionRegistry],
  optional: [ICompletionProviderManager],
  activate: (
    _: JupyterFrontEnd,
    room: IRoom,
    notebooks: INotebookTracker,
    editors: IEditorExtensionRegistry,
    completions: ICompletionProviderManager | null
  ): void => {
    const trackers = new Set<OriginTracker>();
    const name = (origin: Origin): void => {
      for (const tracker of trackers) {
        tracker.name(origin);
      }
    };
    // Called when the editor's plugins, the binding to the document among them, are done.
    const listener = EditorView.updateListener.of(({ transactions }) => {
      for (const transaction of transactions) {
        const origin = transaction.docChanged
          ? originOf(event => transaction.isUserEvent(event))
          : null;
        if (origin !== null) {
          name(origin);
        }
      }
    });
    editors.addExtension({
      name: 'jupyter-interview-rooms:origin',
      factory: () => EditorExtensionRegistry.createImmutableExtension(listener)
    });
    // JupyterLab puts a completion into the shared model, past the editor, and then says so.
    completions?.selected.connect(() => {
      name('completion');
    });

    const follow = async (panel: NotebookPanel): Promise<void> => {
      await Promise.all([panel.context.ready, room.ready]);
      const shared = panel.context.model.sharedModel;
      const document = room.room?.documents.find(
        other => other.path === panel.context.localPath
      );
      if (!document?.writable || !(shared instanceof YNotebook) || panel.isDisposed) {
        return;
      }
      const tracker = new OriginTracker(shared.ydoc, origins =>
        room.reportOrigins(document.id, origins)
      );
      trackers.add(tracker);
      panel.disposed.connect(() => {
        trackers.delete(tracker);
        tracker.dispose();
      });
    };
    notebooks.forEach(panel => void follow(panel));
    notebooks.widgetAdded.connect((_sender, panel) => void follow(panel));
  }
};
