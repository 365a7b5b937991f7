import type { Widget } from '@lumino/widgets';

/** Make a widget as high as its contents: the layout around gives it no more than its least height. */
export function growTo(widget: Widget, height: number): void {
  const minHeight = `${height}px`;
  if (widget.node.style.minHeight !== minHeight) {
    widget.node.style.minHeight = minHeight;
    widget.parent?.fit();
  }
}
