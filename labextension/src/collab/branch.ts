/** This person's private branch: begun, merged or discarded, and whether the page shows it. */

import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { ApiError } from '../api/errors';
import type { Branch, BranchChanges } from '../api/types';
import type { RoomModel } from '../rooms/model';
import type { SavedModel } from './model';

/** Milliseconds in which what was typed last is saved before the page goes to another document. */
const SAVING_MS = 10_000;
const LOOK_MS = 100;

const OVER = ['ended', 'archived'];

/** What of the room a branch needs; `RoomModel` is one. */
export type BranchRoom = Pick<
  RoomModel,
  | 'beginBranch'
  | 'branches'
  | 'changed'
  | 'discardBranch'
  | 'may'
  | 'mergeBranch'
  | 'ready'
  | 'room'
>;

/**
 * The branch of whoever sits here. A page shows either the room's notebook or the branch, for
 * all its life: where another one has to be shown, the page is loaded anew.
 */
export class BranchModel implements IDisposable {
  /**
   * @param shown - The branch that this page shows; null if it shows the room's notebook.
   * @param reload - Loads the page that is right now.
   */
  constructor(
    private readonly _room: BranchRoom,
    private readonly _saved: Pick<SavedModel, 'status'>,
    readonly shown: string | null,
    private readonly _reload: () => void
  ) {
    _room.changed.connect(this._follow, this);
    if (shown === null) {
      void this._look();
    }
  }

  /** Emits after anything below has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** A branch that was begun in another browser and cannot be opened here. */
  get locked(): Branch | null {
    return this._locked;
  }

  get mayBegin(): boolean {
    const { room } = this._room;
    return (
      this.shown === null &&
      this._locked === null &&
      room?.policy.branch === true &&
      this._room.may('branch')
    );
  }

  get mayMerge(): boolean {
    return this.shown !== null && this._room.may('branch');
  }

  /** Whether the interview, and with it the branch, is over. */
  get over(): boolean {
    return OVER.includes(this._room.room?.state ?? '');
  }

  /** Whether the end has been announced. */
  get ending(): boolean {
    return this._room.room?.ends_at != null;
  }

  /** Whether the page is about to be loaded anew, with nothing to lose. */
  get leaving(): boolean {
    return this._leaving;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  /** Fork the room's notebook and show the fork. */
  begin(): Promise<void> {
    return this._do(async () => {
      const notebook = this._room.room?.documents.find(
        document => document.kind === 'notebook'
      );
      if (notebook !== undefined) {
        await this._untilSaved();
        await this._room.beginBranch(notebook.id);
      }
    });
  }

  /** Bring the branch into the room's notebook and show that. */
  merge(): Promise<void> {
    return this._do(async () => {
      await this._untilSaved();
      await this._room.mergeBranch(this._own());
    });
  }

  /** Throw the branch away and show the room's notebook. */
  discard(): Promise<void> {
    return this._do(() => this._room.discardBranch(this._own()));
  }

  /** What would be thrown away; null if that cannot be told. */
  async changes(): Promise<BranchChanges | null> {
    const [branch] = await this._room.branches();
    return branch?.changes ?? null;
  }

  private _own(): string {
    return this.shown ?? this._locked?.id ?? '';
  }

  /** Do one thing, during which the room's messages about it lead nowhere, and reload. */
  private async _do(deed: () => Promise<void>): Promise<void> {
    this._busy = true;
    try {
      await deed();
    } catch (reason) {
      this._busy = false;
      throw reason;
    }
    this._leave();
  }

  private async _untilSaved(): Promise<void> {
    const until = Date.now() + SAVING_MS;
    while (this._saved.status.state !== 'saved') {
      if (Date.now() > until) {
        throw new ApiError(
          0,
          'not_saved',
          'Not everything you wrote has reached the server.',
          'Wait until the page says that it is saved, then try again.'
        );
      }
      await new Promise(resolve => window.setTimeout(resolve, LOOK_MS));
    }
  }

  private async _look(): Promise<void> {
    await this._room.ready;
    if (!this._room.may('document:read')) {
      return;
    }
    const branches = await this._room.branches().catch(() => []);
    this._locked = branches.find(branch => !branch.readable) ?? null;
    this._changed.emit();
  }

  /** Another tab of the same person may have begun or ended the branch. */
  private _follow(): void {
    if (!this._busy && this._outdated) {
      void this._goOn();
    }
    this._changed.emit();
  }

  /** Whether the page shows another document than is right now. */
  private get _outdated(): boolean {
    const { room } = this._room;
    if (room === null || this.over || !this._room.may('document:read')) {
      return false;
    }
    const own = room.documents.find(document => document.branch_of !== null);
    return (own?.id ?? null) !== this.shown;
  }

  /** Go to the right document. What was typed on a branch that is gone cannot be saved any more. */
  private async _goOn(): Promise<void> {
    this._busy = true;
    const saved = await this._untilSaved().then(
      () => true,
      () => false
    );
    if (this._outdated && (saved || this.shown !== null)) {
      this._leave();
    } else {
      this._busy = false; // The room's next change looks again.
    }
  }

  private _leave(): void {
    this._leaving = true;
    this._reload();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _locked: Branch | null = null;
  private _busy = false;
  private _leaving = false;
  private _isDisposed = false;
}
