/** The WebSockets of a room's page, over a network that may swallow them. */

import { Deadline } from './deadline';

/** Milliseconds that a new socket may take to open, also while the whole page is loading. */
export const OPENING_MS = 10_000;

/**
 * A WebSocket that is closed when it does not open, or when it is known to be dead.
 *
 * A browser opens one socket at a time to a server (RFC 6455, section 4.1) and waits for minutes:
 * one that the network has swallowed holds up all others of the page.
 */
export class PageSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    PageSocket._open.add(this);
    for (const type of ['open', 'message', 'error', 'close']) {
      // The first listener, so nobody else hears what comes after the end.
      this.addEventListener(type, event => {
        this._onEvent(event);
      });
    }
    this._deadline.set(OPENING_MS, () => {
      this._giveUp();
    });
  }

  /** Close those to which nothing has come since that time of the browser's clock, if ever. */
  static giveUpSilentSince(time: number): void {
    for (const socket of PageSocket._open) {
      if (socket._heardAt < time) {
        socket._giveUp();
      }
    }
  }

  private _onEvent(event: Event): void {
    this._deadline.clear();
    if (event.type === 'close') {
      PageSocket._open.delete(this);
    } else if (PageSocket._open.has(this)) {
      this._heardAt = Date.now();
    }
    if (this._end !== null && this._end !== event) {
      event.stopImmediatePropagation();
    }
  }

  /** End it now: by itself the browser says so after minutes, or at least ten seconds. */
  private _giveUp(): void {
    this.close();
    this._end = new CloseEvent('close', { code: 1006 });
    this.dispatchEvent(this._end);
  }

  private static readonly _open = new Set<PageSocket>();
  private _heardAt = 0;
  private _end: Event | null = null;
  private readonly _deadline = new Deadline();
}
