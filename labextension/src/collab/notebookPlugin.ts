/** The room's notebook in the page: ready to type in, and locked when one may not. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { ICollaborativeContentProvider } from '@jupyter/collaborative-drive';
import { INotebookTracker } from '@jupyterlab/notebook';
import { MessageLoop } from '@lumino/messaging';

import { guardEditing } from '../rooms/commands';
import type { RoomModel } from '../rooms/model';
import { IRoom } from '../tokens';

/** Milliseconds between two looks at where the focus is. */
const LOOK_MS = 50;
/** Looks in a row that must find the focus in its place. */
const CALM = 20;
/** Looks at most: half a minute. */
const TRIES = 600;
/** What changes a notebook without a command: the choice of a cell's type, the end of the page. */
const CHANGING = '.jp-Notebook-toolbarCellTypeDropdown select, .jp-Notebook-footer';
/** What a cell has to go through that is dragged into a notebook. */
const DRAGGING = ['lm-dragenter', 'lm-dragover', 'lm-drop'];
/** What gives the focus back to the notebook once something in it was chosen. */
const MENUS = '.lm-MenuBar, .lm-Menu, .lm-CommandPalette, .jp-Dialog';

export const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:notebook',
  description:
    'Puts the cursor into the first cell; locks the notebook when it is read-only.',
  autoStart: true,
  requires: [IRoom, INotebookTracker],
  optional: [ICollaborativeContentProvider],
  activate: (
    app: JupyterFrontEnd,
    room: IRoom,
    notebooks: INotebookTracker,
    contents: ICollaborativeContentProvider | null
  ): void => {
    const writable = (panel: NotebookPanel): boolean =>
      room.room?.documents.some(
        document => document.path === panel.context.localPath && document.writable
      ) ?? false;
    const { commands } = app;
    guardEditing(commands, () => {
      const { currentWidget } = notebooks;
      return currentWidget !== null && !writable(currentWidget);
    });
    const follow = async (panel: NotebookPanel): Promise<void> => {
      keepQuiet(panel);
      await Promise.all([panel.revealed, room.ready]);
      if (panel.isDisposed) {
        return;
      }
      const update = (): void => {
        if (lock(panel, !writable(panel))) {
          commands.notifyCommandChanged();
        }
        letGo(panel, room, contents);
      };
      room.changed.connect(update);
      panel.content.modelContentChanged.connect(update);
      panel.disposed.connect(() => {
        room.changed.disconnect(update);
      });
      update();
      refuseCells(panel, () => !writable(panel));
      stayWherePeopleWrite(panel);
      void startTyping(panel, writable(panel));
    };
    notebooks.forEach(panel => void follow(panel));
    notebooks.widgetAdded.connect((_sender, panel) => void follow(panel));
  }
};

/** Show a notebook as one that may only be read, or that may be written; whether it was another. */
function lock(panel: NotebookPanel, locked: boolean): boolean {
  const before = panel.hasClass('jp-Interview-mod-locked');
  panel.toggleClass('jp-Interview-mod-locked', locked);
  for (const cell of panel.content.widgets) {
    cell.readOnly = locked;
  }
  if (panel.content.model) {
    // Nothing is replaced in it, and an empty cell that is run clears nothing.
    panel.content.model.readOnly = locked;
  }
  for (const control of panel.node.querySelectorAll(CHANGING)) {
    (control as HTMLSelectElement | HTMLButtonElement).disabled = locked;
  }
  return before !== locked;
}

/** Let no cell be dragged to another place in a notebook that may only be read. */
function refuseCells(panel: NotebookPanel, locked: () => boolean): void {
  for (const type of DRAGGING) {
    panel.node.addEventListener(
      type,
      event => {
        if (locked()) {
          event.stopImmediatePropagation();
        }
      },
      { capture: true }
    );
  }
}

/**
 * No dialog about a kernel that cannot be had: the panel tells how the sandbox is, the banner that
 * the interview is over or this page no longer part of it.
 *
 * JupyterLab would call it dead as soon as it may no longer be asked for. It has no option for it.
 */
function keepQuiet({ sessionContext }: NotebookPanel): void {
  const context = sessionContext as unknown as {
    _displayKernelError: () => Promise<void>;
  };
  context._displayKernelError = () => Promise.resolve();
}

/** At the end, stop asking for what the server no longer gives. */
function letGo(
  panel: NotebookPanel,
  room: RoomModel,
  contents: ICollaborativeContentProvider | null
): void {
  if (room.room === null) {
    return;
  }
  if (!room.may('kernel:watch')) {
    panel.sessionContext.session?.dispose();
  }
  if (!room.may('document:read')) {
    const key = `json:notebook:${panel.context.localPath}`;
    contents?.providers.get(key)?.dispose();
    contents?.providers.delete(key);
  }
}

/**
 * The cursor into the first code cell; what stands above it stays in view if both fit.
 *
 * While a notebook opens, JupyterLab moves the focus several times (spinner, notebook, first
 * cell), at moments that depend on the network. So the focus is taken back until it has
 * stayed for a while, or the person has begun to do something.
 */
async function startTyping(panel: NotebookPanel, writable: boolean): Promise<void> {
  const notebook = panel.content;
  const first = notebook.widgets.findIndex(cell => cell.model.type === 'code');
  const cell = notebook.widgets[first];
  if (!cell) {
    return;
  }
  notebook.activeCellIndex = first;
  if (!writable) {
    return;
  }
  const acted = new AbortController();
  for (const type of ['keydown', 'pointerdown', 'wheel']) {
    const stop = (): void => {
      acted.abort();
    };
    window.addEventListener(type, stop, { capture: true, signal: acted.signal });
  }
  let tries = 0;
  for (let calm = 0; calm < CALM && tries < TRIES; tries++) {
    if (acted.signal.aborted || cell.isDisposed) {
      return;
    }
    if (cell.editor?.hasFocus()) {
      calm++;
    } else if (mayTakeFocus(panel)) {
      calm = 0;
      if (cell.editor === null) {
        // Cells far down are made when they come into view.
        await notebook.scrollToItem(first, 'auto').catch(() => undefined);
      }
      // Does not scroll: the top stays where it is.
      cell.editor?.focus();
    }
    await new Promise(resolve => window.setTimeout(resolve, LOOK_MS));
  }
  acted.abort();
}

/**
 * Do not take the focus from somebody who has gone on to write elsewhere, in the chat for instance.
 *
 * JupyterLab activates the notebook once it has scrolled after a run, and waits up to three
 * seconds for a scroll that need not come (`PROGRAMMATIC_SCROLL_TIMEOUT` of its windowed list); and
 * on a slow machine it activates the panel seconds after that has opened. What is then typed would
 * be shortcuts of the notebook, some of which delete cells.
 */
function stayWherePeopleWrite(panel: NotebookPanel): void {
  for (const widget of [panel, panel.content]) {
    MessageLoop.installMessageHook(
      widget,
      (_, message) =>
        message.type !== 'activate-request' ||
        mayTakeFocus(panel) ||
        document.activeElement?.closest(MENUS) !== null
    );
  }
}

/** Whether nothing outside the notebook has the focus, a dialog for instance. */
function mayTakeFocus(panel: NotebookPanel): boolean {
  const focused = document.activeElement;
  return focused === null || focused === document.body || panel.node.contains(focused);
}
