/**
 * HTML that ipywidgets put into the page: `widgets.HTML`, labels, button texts.
 *
 * Their views assign a kernel's text to `innerHTML` themselves, out of any renderer's
 * reach, and the page's policy does not stop all of what HTML can do without a script (a
 * `<meta>` refresh leaves the page). So the assignment itself is where it is sanitized.
 */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { IDisposable } from '@lumino/disposable';

/** The nearest of these around an element says whose it is. */
const OWNERS = '.jupyter-widgets, .jp-OutputArea';
/** Classes of JupyterLab's own that a widget's view may carry. */
const ALLOWED_CLASS = /^jp-(OutputArea|outputs|Rendered|mod-)/;

function isWidgets(element: Element): boolean {
  return (
    element.closest(OWNERS)?.matches('.jupyter-widgets:not(.jp-OutputArea)') ?? false
  );
}

/** Sanitize widgets' HTML in this page until the result is disposed. */
export function guardWidgets(
  sanitizer: IRenderMime.ISanitizer,
  root: HTMLElement
): IDisposable {
  const original = Object.getOwnPropertyDescriptor(Element.prototype, 'innerHTML');
  const assign = original?.set;
  if (!original || !assign) {
    throw new Error('This browser does not let output be sanitized.');
  }
  Object.defineProperty(Element.prototype, 'innerHTML', {
    ...original,
    set(this: Element, value: string) {
      const markup = isWidgets(this) && value.includes('<');
      assign.call(this, markup ? sanitizer.sanitize(value) : value);
    }
  });
  const observer = new MutationObserver(records => {
    for (const { target } of records) {
      if (target instanceof Element && target.matches('.jupyter-widgets')) {
        dropReservedClasses(target);
      }
    }
  });
  observer.observe(root, {
    subtree: true,
    attributes: true,
    attributeFilter: ['class']
  });
  let disposed = false;
  return {
    get isDisposed(): boolean {
      return disposed;
    },
    dispose: () => {
      disposed = true;
      observer.disconnect();
      Object.defineProperty(Element.prototype, 'innerHTML', original);
    }
  };
}

/** A widget's `_dom_classes` must not make it look like a part of the page. */
function dropReservedClasses(element: Element): void {
  for (const name of [...element.classList]) {
    if (/^jp-/i.test(name) && !ALLOWED_CLASS.test(name)) {
      element.classList.remove(name);
    }
  }
}
