/** Which edits of this page do not come to the server any more, as far as the page knows. */

import type { IDisposable } from '@lumino/disposable';

import type { SavedModel } from '../collab/model';
import type { RoomModel } from './model';

/** Milliseconds in which a page that is locked changes its document by itself. */
export const LOCKING_MS = 100;

/** Remembers until when this person could write. */
export class LostEdits implements IDisposable {
  constructor(
    private readonly _room: Pick<
      RoomModel,
      'changed' | 'closedReason' | 'may' | 'room'
    >,
    private readonly _saved: Pick<SavedModel, 'status'>,
    private readonly _now: () => number = Date.now
  ) {
    _room.changed.connect(this._compare, this);
    this._compare();
  }

  /**
   * The time of the first edit that waits in vain; null while writing goes on, if there is none,
   * or if it may still be on its way.
   *
   * A page that may not be written changes its document here and there, which nobody wrote.
   */
  get since(): number | null {
    const { state, since } = this._saved.status;
    const until = this._until;
    const own = since !== null && until !== null && since < until - LOCKING_MS;
    return own && state !== 'saving' ? since : null;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._room.changed.disconnect(this._compare, this);
  }

  private _compare(): void {
    const { room, closedReason } = this._room;
    if (room === null) {
      return;
    }
    if (this._room.may('document:write') && closedReason === null) {
      this._until = null;
    } else {
      this._until ??= this._now();
    }
  }

  private _until: number | null = null;
  private _isDisposed = false;
}
