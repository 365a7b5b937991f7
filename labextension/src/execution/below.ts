import type { Cell } from '@jupyterlab/cells';
import type { Widget } from '@lumino/widgets';
import { PanelLayout } from '@lumino/widgets';

/**
 * Puts a widget under a cell, as the last of what it holds.
 *
 * A cell out of sight is built when it comes into sight, so the widget comes later there; it
 * does not come at all if it has been disposed of by then.
 */
export function showBelow(cell: Cell, widget: Widget): void {
  void cell.ready.then(() => {
    if (!widget.isDisposed && cell.layout instanceof PanelLayout) {
      cell.layout.addWidget(widget);
    }
  });
}
