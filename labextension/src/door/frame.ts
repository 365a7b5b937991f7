/** A frame with an origin of its own, in which HTML output may run its own scripts. */

import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

/** Pixels: output that is higher scrolls. */
const MAX_HEIGHT = 600;

type FrameMessage = { type: 'ready' } | { type: 'size'; height: unknown };

/**
 * Shows HTML in the door's frame page, which has no network and no access to this page.
 *
 * The page is asked for its height over a channel of its own; what runs in the frame can at
 * most claim a wrong one.
 */
export class FrameOutput extends Widget {
  /** @param url - The door's frame page. */
  constructor(
    private readonly _url: string,
    private readonly _html: string,
    title: string
  ) {
    super({ node: document.createElement('div') });
    this.addClass('jp-Interview-Frame');
    this._title = title;
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    // A frame loads anew whenever it is moved: make it when there is a place for it.
    const frame = document.createElement('iframe');
    frame.setAttribute('sandbox', 'allow-scripts');
    frame.setAttribute('referrerpolicy', 'no-referrer');
    frame.title = this._title;
    frame.src = this._url;
    frame.addEventListener('load', () => {
      this._talk(frame);
    });
    this.node.replaceChildren(frame);
  }

  protected override onBeforeDetach(message: Message): void {
    this._port?.close();
    this.node.replaceChildren();
    super.onBeforeDetach(message);
  }

  private _talk(frame: HTMLIFrameElement): void {
    this._port?.close();
    const { port1, port2 } = new MessageChannel();
    this._port = port1;
    port1.onmessage = (event: MessageEvent<FrameMessage>): void => {
      if (event.data.type === 'ready') {
        port1.postMessage({ type: 'show', html: this._html, css: this._css() });
      } else {
        const height = Math.min(
          Math.max(Number(event.data.height) || 0, 20),
          MAX_HEIGHT
        );
        frame.style.height = `${height}px`;
      }
    };
    // The frame's origin is opaque and cannot be named; only this very frame gets the port.
    frame.contentWindow?.postMessage('connect', '*', [port2]);
  }

  private _css(): string {
    const look = getComputedStyle(this.node);
    return (
      `html { color: ${look.color}; font: ${look.fontSize} ${look.fontFamily}; }` +
      ` html { color-scheme: ${document.body.dataset.jpThemeLight === 'false' ? 'dark' : 'light'}; }`
    );
  }

  private readonly _title: string;
  private _port: MessagePort | null = null;
}
