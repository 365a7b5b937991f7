/**
 * How this page's own edits came about: what the server keeps as reported by the page.
 *
 * Yjs says what was inserted and deleted, the editor right after that says how. Both happen
 * in one go, so what has no name when the browser's next task begins gets none.
 */

import type { IDisposable } from '@lumino/disposable';
import type { Doc, Transaction } from 'yjs';

import type { ReportedOrigin } from '../api/types';

export type Origin = ReportedOrigin['origin'];
type Piece = Omit<ReportedOrigin, 'origin'>;

/** Milliseconds between two reports. */
export const REPORT_MS = 2_000;
/** Pieces in one report; the server takes no more. */
export const MAX_PIECES = 200;
/** Pieces kept while there is no connection. */
const MAX_KEPT = 2_000;

/** Return what an editor's transaction with such user events is called; null for none. */
export function originOf(isUserEvent: (event: string) => boolean): Origin | null {
  const events: [string, Origin][] = [
    ['input.paste', 'paste'],
    ['input.drop', 'drop'],
    ['move.drop', 'drop'],
    ['input.complete', 'completion'],
    ['undo', 'undo'],
    ['redo', 'undo'],
    ['input', 'typed'],
    ['delete', 'typed'],
    ['move', 'typed']
  ];
  return events.find(([event]) => isUserEvent(event))?.[1] ?? null;
}

/** Follows one document. */
export class OriginTracker implements IDisposable {
  /** @param send - Reports; rejects if the server could not be reached. */
  constructor(
    private readonly _doc: Doc,
    private readonly _send: (origins: ReportedOrigin[]) => Promise<void>
  ) {
    _doc.on('afterTransaction', this._onTransaction);
    this._timer = window.setInterval(() => {
      void this.report();
    }, REPORT_MS);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._doc.off('afterTransaction', this._onTransaction);
    window.clearInterval(this._timer);
    void this.report();
  }

  /** What was done in this very moment came about like this. */
  name(origin: Origin): void {
    for (const piece of this._fresh.splice(0)) {
      this._add({ ...piece, origin });
    }
  }

  /** Send what has gathered; one report at a time. */
  async report(): Promise<void> {
    if (this._sending || this._named.length === 0) {
      return;
    }
    this._sending = true;
    const some = this._named.splice(0, MAX_PIECES);
    try {
      await this._send(some);
    } catch {
      this._named = [...some, ...this._named].slice(0, MAX_KEPT);
    } finally {
      this._sending = false;
    }
  }

  private readonly _onTransaction = (transaction: Transaction): void => {
    if (!transaction.local) {
      return;
    }
    if (this._fresh.length === 0) {
      window.setTimeout(() => {
        this._fresh = [];
      });
    }
    for (const [client, end] of transaction.afterState) {
      const start = transaction.beforeState.get(client) ?? 0;
      if (start < end) {
        this._fresh.push({ client, start, end, deleted: false });
      }
    }
    for (const [client, items] of transaction.deleteSet.clients) {
      for (const { clock, len } of items) {
        this._fresh.push({ client, start: clock, end: clock + len, deleted: true });
      }
    }
    if (isUndoManager(transaction.origin)) {
      this.name('undo');
    }
  };

  /** What is typed on is one piece, what is deleted letter by letter too. */
  private _add(piece: ReportedOrigin): void {
    const last = this._named.at(-1);
    if (
      last?.client === piece.client &&
      last.deleted === piece.deleted &&
      last.origin === piece.origin &&
      (last.end === piece.start || (piece.deleted && piece.end === last.start))
    ) {
      last.start = Math.min(last.start, piece.start);
      last.end = Math.max(last.end, piece.end);
    } else if (this._named.length < MAX_KEPT) {
      this._named.push(piece);
    }
  }

  private readonly _timer: number;
  private _fresh: Piece[] = [];
  private _named: ReportedOrigin[] = [];
  private _sending = false;
  private _isDisposed = false;
}

/** The shared model undoes by Yjs's manager, which names itself as the origin. */
function isUndoManager(origin: unknown): boolean {
  return typeof origin === 'object' && origin !== null && 'undoStack' in origin;
}
