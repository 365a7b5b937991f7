/** What somebody who does not see the page has to hear of a room's changes. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { Person, Room, Run } from '../api/types';
import { OFFLINE_MS } from './Banner';
import type { RoomModel } from './model';
import { stateName } from './words';

/** A sentence to say; `urgent` interrupts. */
export interface Saying {
  text: string;
  urgent: boolean;
}

interface Troubles {
  offline: boolean;
  failing: boolean;
  idle: boolean;
}

interface Known {
  room: Room;
  people: readonly Person[];
  input: string | undefined;
}

/** Compares the room with how it was and puts the difference into sentences. */
export class Narrator implements IDisposable {
  constructor(
    private readonly _room: RoomModel,
    private readonly _trans: TranslationBundle
  ) {
    _room.changed.connect(this._compare, this);
    _room.runEnded.connect(this._onRunEnded, this);
  }

  get said(): ISignal<this, Saying> {
    return this._said;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    window.clearTimeout(this._timer);
    Signal.clearData(this);
  }

  private _compare(): void {
    const { room, people } = this._room;
    if (room === null) {
      return;
    }
    if (this._before) {
      this._compareState(this._before.room, room);
      this._comparePeople(this._before.people, people);
      const input = this._room.input;
      if (input && input.run_id !== this._before.input) {
        this._say(this._trans.__('The program asks for input: %1', input.prompt));
      }
    }
    this._before = { room, people, input: this._room.input?.run_id };
    this._told ??= this._troubles;
    this._compareTroubles();
  }

  /** What keeps the page from saving or running. */
  private get _troubles(): Troubles {
    const { offlineSince, storeFailingSince, sandbox } = this._room;
    return {
      offline: offlineSince !== null,
      failing: storeFailingSince !== null,
      idle: sandbox !== null && !sandbox.engine.available
    };
  }

  /** Say what is still another way after a moment: a connection may be back at once. */
  private _compareTroubles(): void {
    if (this._timer !== 0) {
      return;
    }
    this._timer = window.setTimeout(() => {
      this._timer = 0;
      this._sayTroubles();
    }, OFFLINE_MS);
  }

  private _sayTroubles(): void {
    const now = this._troubles;
    const before = this._told ?? now;
    this._told = now;
    const trans = this._trans;
    if (before.offline !== now.offline) {
      this._say(
        now.offline
          ? trans.__(
              'The connection is lost. You can go on writing: it is saved when the connection is back.'
            )
          : trans.__('The connection is back.'),
        now.offline
      );
    }
    if (before.failing !== now.failing) {
      this._say(
        now.failing
          ? trans.__('The server cannot save right now. You can go on writing.')
          : trans.__('The server can save again.'),
        now.failing
      );
    }
    if (before.idle !== now.idle) {
      this._say(
        now.idle
          ? trans.__(
              'Cells cannot run right now: %1',
              this._room.sandbox?.engine.message ?? ''
            )
          : trans.__('Cells can run again.')
      );
    }
  }

  private _compareState(before: Room, room: Room): void {
    if (before.state !== room.state) {
      this._say(
        this._trans.__('The interview is now: %1', stateName(room.state, this._trans)),
        true
      );
    } else if (before.ends_at === null && room.ends_at !== null) {
      this._say(this._trans.__('The interview ends in two minutes.'), true);
    } else if (before.ends_at !== null && room.ends_at === null) {
      this._say(this._trans.__('The end was called off.'), true);
    }
  }

  private _comparePeople(before: readonly Person[], people: readonly Person[]): void {
    for (const person of people) {
      const was = before.find(other => other.id === person.id);
      if (!person.you && was !== undefined && was.focusing !== person.focusing) {
        this._say(
          person.focusing
            ? this._trans.__('%1 is thinking alone.', person.name)
            : this._trans.__('%1 no longer thinks alone.', person.name)
        );
      }
      if (person.you || was?.state === person.state) {
        continue;
      }
      if (person.state === 'waiting') {
        this._say(this._trans.__('%1 is waiting to be let in.', person.name));
      } else if (person.state === 'admitted') {
        this._say(this._trans.__('%1 was admitted.', person.name));
      }
    }
  }

  private _onRunEnded(_: unknown, run: Run): void {
    switch (run.state) {
      case 'done':
        this._say(this._trans.__('Cell %1 finished.', run.execution_count ?? ''));
        break;
      case 'error':
        this._say(
          this._trans.__('Cell %1 ended with an error.', run.execution_count ?? '')
        );
        break;
      case 'interrupted':
        this._say(
          run.death === null
            ? this._trans.__('The cell was interrupted.')
            : this._trans.__('The cell was interrupted: %1', run.death)
        );
        break;
      case 'died':
        this._say(this._trans.__('The kernel ended: %1', run.death ?? ''), true);
        break;
      default:
        break;
    }
  }

  private _say(text: string, urgent = false): void {
    this._said.emit({ text, urgent });
  }

  private readonly _said = new Signal<this, Saying>(this);
  private _before: Known | undefined;
  private _told: Troubles | undefined;
  private _timer = 0;
  private _isDisposed = false;
}
