/**
 * HTML from cells, Markdown and widgets, with everything taken out by which it could act
 * outside its own box: in an interview it comes from somebody nobody knows yet.
 *
 * JupyterLab's own sanitizer goes first; this takes away what it leaves, such as forms,
 * ids, buttons with commands, links within the server and styles that cover the page.
 */

import { Sanitizer } from '@jupyterlab/apputils';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

/** Elements that are replaced by what they contain. */
const UNWRAPPED =
  'form, fieldset, label, legend, button, map, menu, dialog, output, command, nav, center';

/** Elements that go with all they contain. */
const REMOVED = [
  'input',
  'select',
  'textarea',
  'datalist',
  'option',
  'optgroup',
  'area',
  'audio',
  'video',
  'source',
  'track',
  'canvas',
  'iframe',
  'object',
  'embed',
  'base',
  'meta',
  'link',
  'script',
  'style',
  'template'
].join(', ');

/** Attributes by which an element could be found, focused, hidden or carry a command. */
const REMOVED_ATTRIBUTES =
  /^(id|name|for|form.*|on.*|srcset|srcdoc|ping|download|background|accesskey|tabindex|autofocus|hidden|inert|item.*|contenteditable|draggable|popover.*|data-commandlinker-.*|data-path|data-locator|data-jupyter-id|role|aria-.*)$/i;

/** Class names by which JupyterLab and its editors know their own parts. */
const RESERVED_CLASS = /^(jp-|lm-|p-|cm-|jupyter|widget|MathJax)/i;

/** Style properties that stay: looks and sizes, nothing that moves a box elsewhere. */
const KEPT_STYLE =
  /^(color|background|background-color|font.*|text-.*|line-height|letter-spacing|white-space.*|word-.*|overflow-wrap|vertical-align|(min-|max-)?(width|height)|padding.*|border.*|margin.*|list-style-type|float|clear|display|flex.*|gap|row-gap|column-gap|align-.*|justify-.*|table-layout|caption-side|opacity)$/;

const KEPT_LINK = /^(https?:\/\/|mailto:|#)/i;
const KEPT_IMAGE = /^(data:image\/(png|jpe?g|gif|webp|bmp|svg\+xml)[;,]|attachment:)/i;

/** The sanitizer of a room's page. */
export class RoomSanitizer implements IRenderMime.ISanitizer {
  constructor() {
    this._base.setAllowNamedProperties(false);
    this._base.setAllowCommandLinker(false);
    this._base.setAllowedSchemes(['http', 'https', 'mailto']);
  }

  /** No option makes it more lenient. */
  readonly allowNamedProperties = false;

  sanitize(dirty: string): string {
    // A template's content belongs to a document without a window: nothing loads or runs.
    const template = document.createElement('template');
    template.innerHTML = this._base.sanitize(dirty);
    const content = template.content;
    content.querySelectorAll(REMOVED).forEach(element => {
      element.remove();
    });
    content.querySelectorAll(UNWRAPPED).forEach(element => {
      element.replaceWith(...element.childNodes);
    });
    content.querySelectorAll('*').forEach(clean);
    return template.innerHTML;
  }

  getAutolink(): boolean {
    return this._base.getAutolink();
  }

  private readonly _base = new Sanitizer();
}

function clean(element: Element): void {
  for (const { name } of [...element.attributes]) {
    if (REMOVED_ATTRIBUTES.test(name)) {
      element.removeAttribute(name);
    }
  }
  for (const name of [...element.classList]) {
    if (RESERVED_CLASS.test(name)) {
      element.classList.remove(name);
    }
  }
  if (element instanceof HTMLElement) {
    cleanStyle(element);
  }
  const link = element.getAttribute('href');
  if (link !== null && !KEPT_LINK.test(link.trim())) {
    element.removeAttribute('href');
  }
  if (element.matches('a[href]:not([href^="#"])')) {
    element.setAttribute('target', '_blank');
    element.setAttribute('rel', 'noopener noreferrer');
  }
  const source = element.getAttribute('src');
  if (source !== null && !KEPT_IMAGE.test(source.trim())) {
    element.removeAttribute('src');
  }
}

function cleanStyle(element: HTMLElement): void {
  if (!element.hasAttribute('style')) {
    return;
  }
  const { style } = element;
  const properties = Array.from({ length: style.length }, (_, index) =>
    style.item(index)
  );
  for (const property of properties) {
    const value = style.getPropertyValue(property);
    if (!KEPT_STYLE.test(property) || /url\s*\(|image-set|expression/i.test(value)) {
      style.removeProperty(property);
    }
  }
}
