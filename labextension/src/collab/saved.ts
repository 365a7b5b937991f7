/**
 * Which of this page's own edits the server has committed.
 *
 * A Yjs state vector alone cannot tell: it does not change with a deletion. So both are
 * followed, the clocks of what was inserted here and the ranges of what was deleted here.
 */

import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { Doc, Transaction } from 'yjs';

import type { Durable } from '../api/types';

/** An insertion made here: committed once the server's clock of `client` reaches `clock`. */
interface Insertion {
  client: number;
  clock: number;
  at: number;
}

/** A deletion made here: the clocks `from` up to, not including, `to` of `client`. */
export interface Deletion {
  client: number;
  from: number;
  to: number;
  at: number;
}

/** Milliseconds after which an edit without an echo is called not saved. */
export const LATE_MS = 4_000;

export type SavedState = 'saved' | 'saving' | 'unsaved' | 'reconnecting';

/** What the page says about saving; `since` is the time of the first edit not saved. */
export interface SavedStatus {
  state: SavedState;
  since: number | null;
}

/**
 * Return what is left of deletions after those ranges were committed.
 *
 * JupyterLab deletes something at every keystroke (the value of `dirty` before), so after an hour
 * there are tens of thousands of ranges, and a page that connects again is told all of them.
 */
export function remaining(
  deletions: readonly Deletion[],
  committed: Durable['deletes']
): Deletion[] {
  const ofClient = new Map<number, [from: number, to: number][]>();
  for (const [client, from, length] of committed) {
    const ranges = ofClient.get(client);
    if (ranges) {
      ranges.push([from, from + length]);
    } else {
      ofClient.set(client, [[from, from + length]]);
    }
  }
  for (const ranges of ofClient.values()) {
    ranges.sort((one, other) => one[0] - other[0]);
  }
  return deletions.flatMap(deletion =>
    left(deletion, ofClient.get(deletion.client) ?? [])
  );
}

/** Return what of a deletion is in none of the ranges, which are sorted. */
function left(
  deletion: Deletion,
  ranges: readonly (readonly [from: number, to: number])[]
): Deletion[] {
  const parts: Deletion[] = [];
  let { from } = deletion;
  for (let place = firstEndingAfter(ranges, from); ; place++) {
    const range = ranges[place];
    if (range === undefined || range[0] >= deletion.to) {
      break;
    }
    const [start, end] = range;
    if (start > from) {
      parts.push({ ...deletion, from, to: start });
    }
    from = Math.max(from, end);
  }
  if (from < deletion.to) {
    parts.push({ ...deletion, from });
  }
  return parts;
}

function firstEndingAfter(
  ranges: readonly (readonly [from: number, to: number])[],
  clock: number
): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.[1] ?? Infinity) > clock) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

/** Follows one document. Only for documents that this page may write. */
export class SavedTracker implements IDisposable {
  /** @param now - The browser's clock, in milliseconds. */
  constructor(
    private readonly _doc: Doc,
    private readonly _now: () => number = Date.now
  ) {
    this._onTransaction = (transaction: Transaction): void => {
      if (transaction.local) {
        this._note(transaction);
      }
    };
    _doc.on('afterTransaction', this._onTransaction);
  }

  /** Emits when edits have become pending, or when all are committed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The time of the oldest edit that is not committed; null when all are. */
  get pendingSince(): number | null {
    let since: number | null = null;
    for (const edits of [this._insertions, this._deletions]) {
      for (const { at } of edits) {
        since = since === null ? at : Math.min(since, at);
      }
    }
    return since;
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
    Signal.clearData(this);
  }

  /** Take in what the server says is committed. */
  durable({ clients, deletes }: Pick<Durable, 'clients' | 'deletes'>): void {
    this._update(() => {
      this._insertions = this._insertions.filter(
        ({ client, clock }) => (clients[String(client)] ?? -1) < clock
      );
      if (deletes.length) {
        this._deletions = remaining(this._deletions, deletes);
      }
    });
  }

  private _note(transaction: Transaction): void {
    this._update(() => {
      const at = this._now();
      for (const [client, clock] of transaction.afterState) {
        if ((transaction.beforeState.get(client) ?? 0) < clock) {
          this._insertions.push({ client, clock, at });
        }
      }
      for (const [client, items] of transaction.deleteSet.clients) {
        for (const { clock, len } of items) {
          this._deletions.push({ client, from: clock, to: clock + len, at });
        }
      }
    });
  }

  private _update(change: () => void): void {
    const before = this.pendingSince === null;
    change();
    if ((this.pendingSince === null) !== before) {
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _onTransaction: (transaction: Transaction) => void;
  private _insertions: Insertion[] = [];
  private _deletions: Deletion[] = [];
  private _isDisposed = false;
}

/** What is known beside the edits themselves. */
export interface Connection {
  connected: boolean;
  /** Since when the server cannot save; null when it can. */
  storeFailingSince: number | null;
}

/** Put everything that is known into what the page says, at the time `now`. */
export function savedStatus(
  pendingSince: number | null,
  connection: Connection,
  now: number
): SavedStatus {
  if (!connection.connected) {
    return { state: 'reconnecting', since: pendingSince };
  }
  if (pendingSince === null) {
    return { state: 'saved', since: null };
  }
  const late = now - pendingSince >= LATE_MS || connection.storeFailingSince !== null;
  return { state: late ? 'unsaved' : 'saving', since: pendingSince };
}
