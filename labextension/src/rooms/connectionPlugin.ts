/** No dialog takes the keyboard away when the connection is lost: the banner says so. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IConnectionLost } from '@jupyterlab/application';

export const connectionPlugin: JupyterFrontEndPlugin<IConnectionLost> = {
  id: 'jupyter-interview-rooms:connection',
  description:
    'Keeps JupyterLab’s dialog about lost connections away from who is typing.',
  autoStart: true,
  provides: IConnectionLost,
  activate: (): IConnectionLost => () => Promise.resolve()
};
