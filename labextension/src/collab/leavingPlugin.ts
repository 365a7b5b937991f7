/** Has the browser ask whoever leaves the page while edits are not saved. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IBranch, IRoom, ISaved } from '../tokens';
import { mayLose } from './leaving';

/**
 * JupyterLab's own asks whenever the notebook is dirty, as it calls what is not in the file; that
 * says nothing here.
 */
export const leavingPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:leaving',
  description: 'Asks before a page is left whose edits are not saved.',
  autoStart: true,
  requires: [IRoom, ISaved, IBranch],
  activate: (_: JupyterFrontEnd, room: IRoom, saved: ISaved, branch: IBranch): void => {
    window.addEventListener('beforeunload', event => {
      if (mayLose(room, saved, branch)) {
        event.preventDefault();
      }
    });
  }
};
