/** A notebook as this page has it, as a file. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { PathExt } from '@jupyterlab/coreutils';

/** Have the browser save it; nobody else is asked for it. */
export function downloadNotebook(panel: NotebookPanel): void {
  const text = JSON.stringify(panel.context.model.toJSON(), null, 1);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(
    new Blob([text], { type: 'application/x-ipynb+json' })
  );
  link.download = PathExt.basename(panel.context.localPath);
  link.click();
  URL.revokeObjectURL(link.href);
}
