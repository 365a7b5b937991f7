/** Whether all of this page's own edits, in all documents, are saved. */

import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { Doc } from 'yjs';

import type { Durable } from '../api/types';
import type { RoomModel } from '../rooms/model';
import type { SavedStatus } from './saved';
import { LATE_MS, SavedTracker, savedStatus } from './saved';

/** The part of the room that tells of saving; `RoomModel` is one. */
export type SavingRoom = Pick<
  RoomModel,
  'changed' | 'connected' | 'durable' | 'reconnected' | 'storeFailingSince'
>;

/** Puts the documents of the page and the room's connection together. */
export class SavedModel implements IDisposable {
  constructor(
    private readonly _room: SavingRoom,
    private readonly _now: () => number = Date.now
  ) {
    _room.durable.connect(this._onDurable, this);
    _room.reconnected.connect(this._onReconnected, this);
    _room.changed.connect(this._onRoom, this);
  }

  /** Emits when `status` may have changed for another reason than time. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What to say now; it changes with time, too. */
  get status(): SavedStatus {
    const pending = [...this._trackers.values()]
      .map(tracker => tracker.pendingSince)
      .filter(since => since !== null);
    return savedStatus(
      pending.length ? Math.min(...pending) : null,
      this._room,
      this._now()
    );
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /**
   * Follow a document that this page may write until the result is disposed.
   *
   * @param id - The server's id of it.
   * @param renew - Connects the document anew unless something has come for it since that time
   *   of the browser's clock; then all own edits are sent and confirmed again.
   */
  follow(id: string, doc: Doc, renew: (lostAt: number) => void): IDisposable {
    this._trackers.get(id)?.dispose();
    const tracker = new SavedTracker(doc, this._now);
    tracker.changed.connect(this._emit, this);
    this._trackers.set(id, tracker);
    this._renewals.set(tracker, renew);
    return {
      get isDisposed(): boolean {
        return tracker.isDisposed;
      },
      dispose: () => {
        tracker.dispose();
        if (this._trackers.get(id) === tracker) {
          this._trackers.delete(id);
          this._emit();
        }
      }
    };
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    for (const tracker of this._trackers.values()) {
      tracker.dispose();
    }
    this._trackers.clear();
    window.clearTimeout(this._timer);
    Signal.clearData(this);
  }

  private _onDurable(_: unknown, durable: Durable): void {
    this._trackers.get(durable.document)?.durable(durable);
    this._emit();
  }

  private _onRoom(): void {
    if (!this._room.connected) {
      this._lostAt ??= this._now();
    }
    this._emit();
  }

  /**
   * A document's socket may be dead with the room's.
   *
   * And what was committed meanwhile was said to nobody: whoever connects a document anew is told
   * again. What is typed from now on is confirmed in the usual way.
   */
  private _onReconnected(): void {
    const at = this._now();
    for (const tracker of this._trackers.values()) {
      this._renewals.get(tracker)?.(this._lostAt ?? 0);
    }
    this._lostAt = null;
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => {
      for (const tracker of this._trackers.values()) {
        if (tracker.pendingSince !== null && tracker.pendingSince <= at) {
          this._renewals.get(tracker)?.(Infinity);
        }
      }
    }, LATE_MS);
  }

  private _emit(): void {
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _trackers = new Map<string, SavedTracker>();
  private readonly _renewals = new WeakMap<SavedTracker, (lostAt: number) => void>();
  private _lostAt: number | null = null;
  private _timer = 0;
  private _isDisposed = false;
}
