/** The room of this page: everything its event socket tells, and what one may ask of it. */

import type { IDisposable } from '@lumino/disposable';
import { PromiseDelegate } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type {
  Action,
  Branch,
  BranchChanges,
  Durable,
  Hello,
  InputRequest,
  NewRun,
  Person,
  ReportedOrigin,
  Room,
  RoomMessage,
  RoomState,
  Run,
  Sandbox,
  TimelineEvent,
  Waiting
} from '../api/types';
import { WARNING_MS } from './countdown';
import type { Lost } from './runs';
import { ENDED_RUNS, lostRun } from './runs';

/** Timeline entries kept in the page. */
const MAX_EVENTS = 1000;
/** Milliseconds for which somebody counts as typing after an edit. */
export const TYPING_MS = 2_500;

/** A source of messages; `EventStream` is one. */
export interface MessageSource<T> extends IDisposable {
  readonly connected: boolean;
  readonly message: ISignal<unknown, T>;
  readonly connectedChanged: ISignal<unknown, boolean>;
}

/** The part of the API that a room's page uses; `Client` is one. */
export interface RoomApi {
  roomEvents(id: string): MessageSource<RoomMessage>;
  setState(id: string, to: RoomState, inSeconds?: number): Promise<Room>;
  admit(id: string, participantId: string): Promise<void>;
  remove(id: string, participantId: string): Promise<void>;
  chat(id: string, text: string): Promise<void>;
  timeline(id: string, after?: number): Promise<TimelineEvent[]>;
  branches(id: string): Promise<Branch[]>;
  beginBranch(id: string, documentId: string): Promise<Branch>;
  mergeBranch(id: string, branchId: string): Promise<BranchChanges>;
  discardBranch(id: string, branchId: string): Promise<void>;
  submitRun(id: string, run: NewRun): Promise<Run>;
  run(id: string, runId: string): Promise<Run>;
  extendRun(id: string, runId: string, seconds: number): Promise<Run>;
  answerInput(id: string, runId: string, value: string): Promise<void>;
  sandbox(id: string): Promise<Sandbox>;
  restartSandbox(id: string): Promise<void>;
  interruptSandbox(id: string): Promise<void>;
  keepSandbox(id: string): Promise<Sandbox>;
  reportOrigins(
    id: string,
    documentId: string,
    origins: ReportedOrigin[]
  ): Promise<void>;
  copyUrl(id: string, documentId: string): string;
}

/** Who waits in a room with the lobby's page open. */
export function whoWaits(room: Room, people: readonly Person[]): Waiting[] {
  return people.flatMap(person =>
    person.state === 'waiting' && person.present && person.waiting_since !== null
      ? [
          {
            type: 'waiting' as const,
            room_id: room.id,
            title: room.title,
            participant_id: person.id,
            name: person.name,
            since: person.waiting_since
          }
        ]
      : []
  );
}

/** Whether what the program asks is still what it asked: half an answer may be typed. */
function isSame(one: InputRequest | null, other: InputRequest | null): boolean {
  return (
    one?.run_id === other?.run_id &&
    one?.prompt === other?.prompt &&
    one?.password === other?.password
  );
}

/** The state of one room as this page knows it. */
export class RoomModel implements IDisposable {
  /** @param now - The browser's clock, in milliseconds. */
  constructor(
    readonly id: string,
    private readonly _api: RoomApi,
    private readonly _now: () => number = Date.now
  ) {
    this._source = _api.roomEvents(id);
    this._offlineSince = this._source.connected ? null : _now();
    this._source.message.connect(this._onMessage, this);
    this._source.connectedChanged.connect(this._onConnected, this);
  }

  /** Emits after anything below has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emits when the connection is back after an interruption: messages may be missing. */
  get reconnected(): ISignal<this, void> {
    return this._reconnected;
  }

  get durable(): ISignal<this, Durable> {
    return this._durable;
  }

  /** Emits when a run ends, whoever started it. */
  get runEnded(): ISignal<this, Run> {
    return this._runEnded;
  }

  /** Emits when somebody opens the lobby's page, of this room or of another of the host's. */
  get somebodyWaits(): ISignal<this, Waiting> {
    return this._somebodyWaits;
  }

  /** Why the server closed this seat; null while it is open. */
  get closedReason(): string | null {
    return this._closedReason;
  }

  /** Since when there has been no connection, by the browser's clock; null when there is. */
  get offlineSince(): number | null {
    return this._offlineSince;
  }

  /** Resolves when the room is known for the first time. */
  get ready(): Promise<void> {
    return this._ready.promise;
  }

  get room(): Room | null {
    return this._room;
  }

  get people(): readonly Person[] {
    return this._people;
  }

  /** Whether this participant has just typed something. */
  isTyping(participantId: string): boolean {
    return this._typing.has(participantId);
  }

  /** Somebody has just typed something; it is forgotten after `TYPING_MS`, and kept nowhere. */
  noteTyping(participantId: string): void {
    const timer = this._typing.get(participantId);
    window.clearTimeout(timer);
    this._typing.set(
      participantId,
      window.setTimeout(() => {
        this._typing.delete(participantId);
        this._changed.emit();
      }, TYPING_MS)
    );
    if (timer === undefined) {
      this._changed.emit();
    }
  }

  get sandbox(): Sandbox | null {
    return this._sandbox;
  }

  get input(): InputRequest | null {
    return this._input;
  }

  /** What was recorded, as far as one may see it, oldest first. */
  get events(): readonly TimelineEvent[] {
    return this._events;
  }

  get connected(): boolean {
    return this._source.connected;
  }

  /** Since when the server has not been able to save; null when it can. */
  get storeFailingSince(): number | null {
    return this._storeFailingSince;
  }

  /** People who wait in other rooms of this host. */
  get waitingElsewhere(): readonly Waiting[] {
    return this._waitingElsewhere;
  }

  /** Who waits, with the lobby's page open, here or in another room of this host. */
  get waiting(): readonly Waiting[] {
    const here =
      this._room && this.may('room:manage') ? whoWaits(this._room, this._people) : [];
    return [...here, ...this._waitingElsewhere];
  }

  /** The server's clock, in milliseconds. */
  get now(): number {
    return this._now() + this._clockOffset;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Whether the server would let this person do it now; see the server's table of roles. */
  may(action: Action): boolean {
    return this._room?.me.actions.includes(action) ?? false;
  }

  /** Whether a cell runs or waits to run. */
  get busy(): boolean {
    return this.runs.some(run => !ENDED_RUNS.has(run.state));
  }

  /** The last run of each cell. */
  get runs(): readonly Run[] {
    return [...this._runs.values()];
  }

  /** How far the kernel had come that is gone; null if none is, or something was run since. */
  get lost(): Lost | null {
    return lostRun(this.runs, this._sandbox);
  }

  /** The last run of a cell. */
  run(cellId: string): Run | null {
    return this._runs.get(cellId) ?? null;
  }

  /** The run with this id if it is the last of its cell. */
  runById(runId: string): Run | null {
    for (const run of this._runs.values()) {
      if (run.id === runId) {
        return run;
      }
    }
    return null;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._source.dispose();
    for (const timer of this._typing.values()) {
      window.clearTimeout(timer);
    }
    Signal.clearData(this);
  }

  async setState(to: RoomState): Promise<void> {
    this._setRoom(await this._api.setState(this.id, to));
  }

  /** Announce the end to everybody; it comes after `WARNING_MS`. */
  async announceEnd(): Promise<void> {
    this._setRoom(await this._api.setState(this.id, 'ended', WARNING_MS / 1000));
  }

  admit(participantId: string): Promise<void> {
    return this._api.admit(this.id, participantId);
  }

  /** Decline somebody who waits, or take somebody out of the room. */
  remove(participantId: string): Promise<void> {
    return this._api.remove(this.id, participantId);
  }

  say(text: string): Promise<void> {
    return this._api.chat(this.id, text);
  }

  /** Ask what the sandbox uses now: of usage the server says nothing unasked. */
  async measure(): Promise<void> {
    if (!this.connected || !this.may('kernel:watch')) {
      return;
    }
    try {
      this._sandbox = await this._api.sandbox(this.id);
      this._changed.emit();
    } catch {
      // The next measurement will do.
    }
  }

  restartKernel(): Promise<void> {
    return this._api.restartSandbox(this.id);
  }

  interruptKernel(): Promise<void> {
    return this._api.interruptSandbox(this.id);
  }

  /** Have the kernel go on although nothing runs in it. */
  async keepKernel(): Promise<void> {
    this._sandbox = await this._api.keepSandbox(this.id);
    this._changed.emit();
  }

  /** Give a running cell more time. */
  async extendRun(runId: string, seconds: number): Promise<void> {
    this._setRun(await this._api.extendRun(this.id, runId, seconds));
    this._changed.emit();
  }

  /**
   * Answer what a run asks.
   *
   * The question goes with the message `input_done`: when this resolves, the same run may have
   * asked the next one.
   */
  answerInput(runId: string, value: string): Promise<void> {
    return this._api.answerInput(this.id, runId, value);
  }

  branches(): Promise<Branch[]> {
    return this._api.branches(this.id);
  }

  beginBranch(documentId: string): Promise<Branch> {
    return this._api.beginBranch(this.id, documentId);
  }

  mergeBranch(branchId: string): Promise<BranchChanges> {
    return this._api.mergeBranch(this.id, branchId);
  }

  discardBranch(branchId: string): Promise<void> {
    return this._api.discardBranch(this.id, branchId);
  }

  /** Say how edits of this page came about. */
  reportOrigins(documentId: string, origins: ReportedOrigin[]): Promise<void> {
    return this._api.reportOrigins(this.id, documentId, origins);
  }

  copyUrl(documentId: string): string {
    return this._api.copyUrl(this.id, documentId);
  }

  /** Have a cell run; the promise is about its acceptance, `ended` about its end. */
  async submit(run: NewRun): Promise<Run> {
    const accepted = await this._api.submitRun(this.id, run);
    // Its first messages may have come before this answer.
    if (this.runById(accepted.id) === null) {
      this._setRun(accepted);
    }
    return accepted;
  }

  /** Resolve with the run once it has ended, connections lost in between included. */
  ended(run: Run): Promise<Run> {
    const known = this.runById(run.id) ?? run;
    if (ENDED_RUNS.has(known.state)) {
      return Promise.resolve(known);
    }
    let waiter = this._waiters.get(run.id);
    if (!waiter) {
      waiter = new PromiseDelegate<Run>();
      this._waiters.set(run.id, waiter);
    }
    return waiter.promise;
  }

  private _onConnected(_: unknown, connected: boolean): void {
    this._offlineSince = connected ? null : this._now();
    this._changed.emit();
  }

  private _onMessage(_: unknown, message: RoomMessage): void {
    switch (message.type) {
      case 'hello':
        this._onHello(message);
        break;
      case 'event':
        this._addEvents([message.event]);
        break;
      case 'room':
        this._setRoom(message.room);
        break;
      case 'participants':
        this._setPeople(message.participants);
        break;
      case 'run':
        this._setRun(message.run);
        if (ENDED_RUNS.has(message.run.state)) {
          this._runEnded.emit(message.run);
        }
        break;
      case 'input_request':
        this._input = message;
        break;
      case 'input_done':
        if (this._input?.run_id === message.run_id) {
          this._input = null;
        }
        break;
      case 'sandbox':
        this._sandbox = message.sandbox;
        break;
      case 'durable':
        this._durable.emit(message);
        return;
      case 'store':
        this._storeFailingSince = message.ok
          ? null
          : Date.parse(message.since ?? '') || this.now;
        break;
      case 'elsewhere':
        this._waitingElsewhere = message.waiting;
        break;
      case 'waiting':
        return; // The lists of people say so, and also when it is over.
      case 'seat_closed':
        this._closedReason = message.reason;
        this._source.dispose();
        break;
      case 'pong':
        return;
    }
    this._changed.emit();
    this._tellWhoWaits();
  }

  private _onHello(hello: Hello): void {
    this._clockOffset = Date.parse(hello.server_time) - this._now();
    this._people = hello.participants;
    this._sandbox = hello.sandbox;
    if (!isSame(this._input, hello.input)) {
      this._input = hello.input;
    }
    // If the store fails now, the next message says so.
    this._storeFailingSince = null;
    this._setRoom(hello.room);
    for (const run of hello.runs) {
      this._setRun(run);
    }
    this._askForWaitedRuns();
    this._catchUpEvents();
    if (this._greeted) {
      this._reconnected.emit();
    }
    this._greeted = true;
    this._ready.resolve();
  }

  /** Runs may have ended while there was no connection. */
  private _askForWaitedRuns(): void {
    for (const runId of this._waiters.keys()) {
      this._api.run(this.id, runId).then(
        run => {
          this._setRun(run);
        },
        () => undefined // The next connection asks again.
      );
    }
  }

  private _catchUpEvents(): void {
    if (!this.may('timeline:read')) {
      return;
    }
    const after = this._events.at(-1)?.seq ?? 0;
    this._api.timeline(this.id, after).then(
      events => {
        this._addEvents(events);
        this._changed.emit();
      },
      () => undefined // The next connection asks again.
    );
  }

  private _addEvents(events: readonly TimelineEvent[]): void {
    const bySeq = new Map(this._events.map(event => [event.seq, event]));
    for (const event of events) {
      bySeq.set(event.seq, event);
    }
    this._events = [...bySeq.values()].sort((a, b) => a.seq - b.seq).slice(-MAX_EVENTS);
  }

  private _tellWhoWaits(): void {
    const before = this._knownToWait;
    const { waiting } = this;
    this._knownToWait = new Set(waiting.map(one => one.participant_id));
    for (const one of waiting) {
      if (!before.has(one.participant_id)) {
        this._somebodyWaits.emit(one);
      }
    }
  }

  private _setRoom(room: Room): void {
    const couldRead = this.may('timeline:read');
    if (this._room !== null && room.version < this._room.version) {
      return;
    }
    this._room = room;
    if (!couldRead && this.may('timeline:read')) {
      this._catchUpEvents();
    }
    this._changed.emit();
  }

  private _setPeople(people: Person[]): void {
    this._people = people;
  }

  private _setRun(run: Run): void {
    const known = this._runs.get(run.cell_id);
    const late =
      known?.id === run.id && ENDED_RUNS.has(known.state) && !ENDED_RUNS.has(run.state);
    if (late) {
      return; // An answer on its way while the run ended.
    }
    if (
      known === undefined ||
      known.id === run.id ||
      known.accepted_at <= run.accepted_at
    ) {
      this._runs.set(run.cell_id, run);
    }
    if (ENDED_RUNS.has(run.state)) {
      this._waiters.get(run.id)?.resolve(run);
      this._waiters.delete(run.id);
    }
  }

  private readonly _source: MessageSource<RoomMessage>;
  private readonly _ready = new PromiseDelegate<void>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _reconnected = new Signal<this, void>(this);
  private readonly _durable = new Signal<this, Durable>(this);
  private readonly _runEnded = new Signal<this, Run>(this);
  private readonly _somebodyWaits = new Signal<this, Waiting>(this);
  private readonly _runs = new Map<string, Run>();
  private readonly _waiters = new Map<string, PromiseDelegate<Run>>();
  private readonly _typing = new Map<string, number>();
  private _room: Room | null = null;
  private _people: readonly Person[] = [];
  private _sandbox: Sandbox | null = null;
  private _input: InputRequest | null = null;
  private _events: readonly TimelineEvent[] = [];
  private _waitingElsewhere: readonly Waiting[] = [];
  private _knownToWait = new Set<string>();
  private _storeFailingSince: number | null = null;
  private _closedReason: string | null = null;
  private _offlineSince: number | null;
  private _clockOffset = 0;
  private _greeted = false;
  private _isDisposed = false;
}
