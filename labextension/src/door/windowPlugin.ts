/** Lets somebody have several of the server's rooms open in one browser, or one room twice. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IWindowResolver } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';

/**
 * JupyterLab's own sends a second page with the same workspace to a new workspace, lest both
 * save their layouts under one name. No layout is kept in a room, and no such address is there.
 */
export const windowPlugin: JupyterFrontEndPlugin<IWindowResolver> = {
  id: 'jupyter-interview-rooms:window',
  description: 'Names the workspace, the same in each tab.',
  autoStart: true,
  provides: IWindowResolver,
  activate: (): IWindowResolver => ({ name: PageConfig.defaultWorkspace })
};
