/** The host's rooms, as the dashboard shows them. */

import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type {
  HostMessage,
  Invite,
  InviteRole,
  IssuedInvite,
  NewRoom,
  Person,
  Profile,
  Room,
  RoomState,
  Template,
  Waiting
} from '../api/types';
import { ApiError } from '../api/errors';
import type { MessageSource } from './model';
import { whoWaits } from './model';

/** Milliseconds until a list that could not be read is read again. */
const AGAIN_MS = 5_000;

/** The part of the API that the dashboard uses; `Client` is one. */
export interface HostApi {
  hostEvents(): MessageSource<HostMessage>;
  rooms(): Promise<Room[]>;
  templates(): Promise<Template[]>;
  profiles(): Promise<Profile[]>;
  setPackages(id: string, packages: string[]): Promise<Room>;
  prepare(id: string): Promise<Room>;
  createRoom(room: NewRoom, key: string): Promise<Room>;
  deleteRoom(id: string): Promise<void>;
  setState(id: string, to: RoomState, inSeconds?: number): Promise<Room>;
  enter(id: string): Promise<string>;
  invites(id: string): Promise<Invite[]>;
  invite(id: string, role: InviteRole, name: string): Promise<IssuedInvite>;
  revoke(id: string, inviteId: string): Promise<void>;
  participants(id: string): Promise<Person[]>;
  admit(id: string, participantId: string): Promise<void>;
  remove(id: string, participantId: string): Promise<void>;
  erase(id: string, participantId: string): Promise<void>;
  hold(id: string, held: boolean): Promise<Room>;
}

/** A room with what the dashboard knows of its people. */
export interface RoomEntry {
  room: Room;
  people: readonly Person[];
  invites: readonly Invite[];
}

/** Lists rooms and people, kept up to date by the host's event socket. */
export class RoomsModel implements IDisposable {
  /** @param browserNow - The browser's clock, in milliseconds. */
  constructor(
    private readonly _api: HostApi,
    private readonly _browserNow: () => number = Date.now
  ) {
    this._source = _api.hostEvents();
    this._source.message.connect(this._onMessage, this);
    this._source.connectedChanged.connect(this._onConnected, this);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emits when somebody opens the lobby's page of one of the rooms. */
  get somebodyWaits(): ISignal<this, Waiting> {
    return this._somebodyWaits;
  }

  /** Who waits, with the lobby's page open. */
  get waiting(): readonly Waiting[] {
    return this._entries.flatMap(({ room, people }) => whoWaits(room, people));
  }

  /** The rooms: those still to come or going on first, by their start. */
  get entries(): readonly RoomEntry[] {
    return this._entries;
  }

  /** Whether the list has been read once. */
  get loaded(): boolean {
    return this._loaded;
  }

  /** The server's clock, in milliseconds. */
  get now(): number {
    return this._browserNow() + this._clockOffset;
  }

  /** Why the list could not be read; null if it could. */
  get failure(): unknown {
    return this._failure;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.clearTimeout(this._retry);
    this._source.dispose();
    Signal.clearData(this);
  }

  /** Read everything again. Calls that come meanwhile share one more reading. */
  refresh(): Promise<void> {
    this._again ??= this._reading.then(() => {
      this._again = null;
      this._reading = this._read();
      return this._reading;
    });
    return this._again;
  }

  templates(): Promise<Template[]> {
    return this._api.templates();
  }

  profiles(): Promise<Profile[]> {
    return this._api.profiles();
  }

  /** @param key - The same for each try of one dialog: no second room after a lost answer. */
  async create(room: NewRoom, key: string): Promise<Room> {
    const created = await this._api.createRoom(room, key);
    await this.refresh();
    return created;
  }

  async setPackages(id: string, packages: string[]): Promise<void> {
    await this._api.setPackages(id, packages);
    await this.refresh();
  }

  /** Try once more to install a room's packages. */
  async prepare(id: string): Promise<void> {
    await this._api.prepare(id);
    await this.refresh();
  }

  enter(id: string): Promise<string> {
    return this._api.enter(id);
  }

  async invite(id: string, role: InviteRole, name: string): Promise<IssuedInvite> {
    const issued = await this._api.invite(id, role, name);
    await this.refresh();
    return issued;
  }

  async revoke(id: string, inviteId: string): Promise<void> {
    await this._api.revoke(id, inviteId);
    await this.refresh();
  }

  async admit(id: string, participantId: string): Promise<void> {
    await this._api.admit(id, participantId);
    await this.refresh();
  }

  async remove(id: string, participantId: string): Promise<void> {
    await this._api.remove(id, participantId);
    await this.refresh();
  }

  /** Erase a person from an interview that is over. */
  async erase(id: string, participantId: string): Promise<void> {
    await this._api.erase(id, participantId);
    await this.refresh();
  }

  /** Set or lift a legal hold. */
  async hold(id: string, held: boolean): Promise<void> {
    await this._api.hold(id, held);
    await this.refresh();
  }

  async setState(id: string, to: RoomState): Promise<void> {
    await this._api.setState(id, to);
    await this.refresh();
  }

  async delete(id: string): Promise<void> {
    await this._api.deleteRoom(id);
    await this.refresh();
  }

  private async _read(): Promise<void> {
    const before = new Set(this.waiting.map(waiting => waiting.participant_id));
    try {
      const rooms = await this._api.rooms();
      this._entries = await Promise.all(
        rooms.sort(byStart).map(room => this._entry(room))
      );
      this._failure = null;
    } catch (reason) {
      this._failure = reason;
      if (ApiError.from(reason).isPassing) {
        this._readLater();
      }
    }
    this._loaded = true;
    this._changed.emit();
    for (const waiting of this.waiting) {
      if (!before.has(waiting.participant_id)) {
        this._somebodyWaits.emit(waiting);
      }
    }
  }

  /** Whoever was told of the failure sees it go by itself. */
  private _readLater(): void {
    window.clearTimeout(this._retry);
    if (!this._isDisposed) {
      this._retry = window.setTimeout(() => void this.refresh(), AGAIN_MS);
    }
  }

  private async _entry(room: Room): Promise<RoomEntry> {
    const known = this._entries.find(entry => entry.room.id === room.id);
    if (known && isOver(room) && known.room.version === room.version) {
      return known; // Years of interviews are not read again at each change.
    }
    const [people, invites] = await Promise.all([
      this._api.participants(room.id),
      this._api.invites(room.id)
    ]);
    return { room, people, invites };
  }

  private _onMessage(_: unknown, message: HostMessage): void {
    if (message.type === 'hello') {
      this._clockOffset = Date.parse(message.server_time) - this._browserNow();
    }
    if (message.type !== 'pong') {
      void this.refresh();
    }
  }

  private _onConnected(_: unknown, connected: boolean): void {
    if (connected) {
      void this.refresh();
    }
  }

  private readonly _source: MessageSource<HostMessage>;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _somebodyWaits = new Signal<this, Waiting>(this);
  private _entries: readonly RoomEntry[] = [];
  private _reading: Promise<void> = Promise.resolve();
  private _again: Promise<void> | null = null;
  private _loaded = false;
  private _failure: unknown = null;
  private _clockOffset = 0;
  private _retry = 0;
  private _isDisposed = false;
}

function isOver(room: Room): boolean {
  return room.state === 'ended' || room.state === 'archived';
}

function byStart(a: Room, b: Room): number {
  const over = (room: Room): number => Number(isOver(room));
  const start = Date.parse(a.starts_at) - Date.parse(b.starts_at);
  return over(a) - over(b) || (over(a) ? -start : start);
}
