/** Makes JupyterLab a page about one notebook: what confuses is hidden, traps ask first. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell } from '@jupyterlab/application';
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ITranslator } from '@jupyterlab/translation';
import { MenuBar } from '@lumino/widgets';

import { requireRoomPage } from './page';
import type { Question } from './commands';
import { guardCommands } from './commands';

const MENUS = ['edit', 'view', 'run', 'kernel'].map(name => `jp-mainmenu-${name}`);

export const shellPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:shell',
  description: 'Hides of JupyterLab what an interview does not need.',
  autoStart: true,
  requires: [ILabShell, INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell,
    notebooks: INotebookTracker,
    translator: ITranslator
  ): void => {
    const trans = translator.load('jupyter_interview_rooms');
    const candidate = requireRoomPage().role === 'candidate';
    document.body.classList.add('jp-Interview-room');
    guardCommands(
      app.commands,
      new Map<string, Question>(
        candidate
          ? [['notebook:delete-cell', () => mayDelete(notebooks.currentWidget, trans)]]
          : []
      )
    );
    void app.restored.then(() => {
      shell.collapseLeft();
      if (shell.isSideTabBarVisible('left')) {
        shell.toggleSideTabBarVisibility('left');
      }
      for (const bar of shell.widgets('menu')) {
        if (bar instanceof MenuBar) {
          for (const menu of [...bar.menus]) {
            if (!MENUS.includes(menu.id)) {
              bar.removeMenu(menu);
            }
          }
        }
      }
    });
  }
};

/** Ask before cells with something in them go: `D`, `D` is soon pressed by mistake. */
async function mayDelete(
  panel: NotebookPanel | null,
  trans: TranslationBundle
): Promise<boolean> {
  const cells = panel?.content.selectedCells ?? [];
  if (cells.every(cell => cell.model.sharedModel.getSource().trim() === '')) {
    return true;
  }
  const result = await showDialog({
    title:
      cells.length > 1
        ? trans.__('Delete %1 cells?', cells.length)
        : trans.__('Delete this cell?'),
    body: trans.__('Everybody in the room sees it go. Pressing Z brings it back.'),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep') }),
      Dialog.warnButton({ label: trans.__('Delete') })
    ],
    defaultButton: 0
  });
  panel?.activate();
  return result.button.accept;
}
