/** Opens the page's document as early as JupyterLab can show one. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import { IDocumentManager } from '@jupyterlab/docmanager';

export const openPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:open',
  description: 'Opens the document of the address.',
  autoStart: true,
  requires: [IDocumentManager],
  activate: (app: JupyterFrontEnd, documents: IDocumentManager): void => {
    // JupyterLab's file browser opens it too, but its route waits until the layout has been
    // saved: a second later. What is open then is only shown.
    void app.restored.then(() => {
      const path = PageConfig.getOption('treePath');
      if (path) {
        documents.openOrReveal(path);
      }
    });
  }
};
