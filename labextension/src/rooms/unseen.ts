/** Lines of chat that came while nobody could see the chat. */

import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { TimelineEvent } from '../api/types';
import type { RoomModel } from './model';

/** The part of the room that has the chat; `RoomModel` is one. */
export type ChatRoom = Pick<
  RoomModel,
  'changed' | 'events' | 'now' | 'people' | 'room'
>;

/** Counts what others write while the chat is not on the page's surface. */
export class UnseenChat implements IDisposable {
  /**
   * @param visible - Whether the chat can be seen now.
   * @param age - Milliseconds since the browser began to load this page.
   */
  constructor(
    private readonly _room: ChatRoom,
    private readonly _visible: () => boolean,
    private readonly _age: () => number = () => performance.now()
  ) {
    _room.changed.connect(this._compare, this);
  }

  /** Emits each such line. */
  get came(): ISignal<this, TimelineEvent> {
    return this._came;
  }

  /** Emits after `count` has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get count(): number {
    return this._count;
  }

  /** The chat has been looked at. */
  seen(): void {
    this._setCount(0);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  private _compare(): void {
    const { room, events } = this._room;
    if (room === null) {
      return;
    }
    // What was written before comes too, with the rest of the record, and was seen elsewhere.
    this._since ??= this._room.now - this._age();
    const since = this._since;
    const fresh = events.filter(
      event =>
        event.kind === 'chat' &&
        !this._known.has(event.seq) &&
        event.actor !== room.me.participant_id &&
        Date.parse(event.at) >= since
    );
    for (const event of fresh) {
      this._known.add(event.seq);
    }
    if (fresh.length === 0 || this._visible()) {
      return;
    }
    this._setCount(this._count + fresh.length);
    for (const event of fresh) {
      this._came.emit(event);
    }
  }

  private _setCount(count: number): void {
    if (count !== this._count) {
      this._count = count;
      this._changed.emit();
    }
  }

  private readonly _came = new Signal<this, TimelineEvent>(this);
  private readonly _changed = new Signal<this, void>(this);
  private _since: number | undefined;
  private readonly _known = new Set<number>();
  private _count = 0;
  private _isDisposed = false;
}
