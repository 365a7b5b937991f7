/** Rooms, people and runs as the server sends them, and a stand-in for its API. */

import { Signal } from '@lumino/signaling';

import type {
  Branch,
  BranchChanges,
  InputRequest,
  NewRun,
  Person,
  Room,
  RoomMessage,
  RoomState,
  Run,
  Sandbox,
  TimelineEvent
} from '../src/api/types';
import type { MessageSource, RoomApi } from '../src/rooms/model';

export const NOW = Date.parse('2026-03-04T10:00:00Z');

export function makeRoom(changes: Partial<Room> = {}): Room {
  return {
    id: 'room_a',
    title: 'Interview',
    owner: 'host',
    host_name: 'Host',
    state: 'live',
    brief: '',
    starts_at: '2026-03-04T10:00:00Z',
    duration_s: 3600,
    created_at: '2026-03-04T09:00:00Z',
    live_at: '2026-03-04T10:00:00Z',
    ends_at: null,
    ended_at: null,
    profile: 'python',
    packages: [],
    preparation: null,
    policy: { assistant: false, recording: false, signals: false, branch: false },
    sections: [],
    external_ids: {},
    legal_hold: false,
    version: 1,
    documents: [
      {
        id: 'doc_a',
        path: 'interview.ipynb',
        kind: 'notebook',
        writable: true,
        branch_of: null
      }
    ],
    data_files: [],
    me: {
      participant_id: 'person_a',
      name: 'Ada',
      role: 'candidate',
      admitted: true,
      actions: ['run', 'timeline:read', 'document:read', 'document:write']
    },
    ...changes
  };
}

export function makePerson(changes: Partial<Person> = {}): Person {
  return {
    id: 'person_b',
    role: 'candidate',
    name: 'Grace',
    colour: 'teal',
    state: 'waiting',
    present: true,
    waiting_since: '2026-03-04T09:58:00Z',
    focusing: false,
    erased: false,
    you: false,
    ...changes
  };
}

export function makeBranch(changes: Partial<Branch> = {}): Branch {
  return {
    id: 'branch_a',
    document: 'doc_a',
    path: 'interview.only-you.ipynb',
    begun_at: '2026-03-04T10:05:00Z',
    readable: true,
    changes: { added: 0, removed: 0, changed: 0 },
    ...changes
  };
}

export function makeRun(changes: Partial<Run> = {}): Run {
  return {
    id: 'run_1',
    document: 'doc_a',
    cell_id: 'cell_1',
    source_digest: '',
    log_seq: 1,
    by: 'person_a',
    accepted_at: '2026-03-04T10:00:01Z',
    state: 'queued',
    execution_count: null,
    started_at: null,
    ended_at: null,
    time_limit_s: null,
    deadline_at: null,
    death: null,
    output_digest: null,
    network_reported: [],
    ...changes
  };
}

export function makeSandbox(changes: Partial<Sandbox> = {}): Sandbox {
  return {
    state: 'ready',
    notice: '',
    rests_at: null,
    profile: 'python',
    isolation: 'container',
    kernel_id: 'kernel_a',
    limits: { cpus: 1, memory_bytes: 2 ** 30, pids: 64 },
    usage: null,
    death: null,
    engine: { available: true, message: '', hint: '' },
    pool: null,
    ...changes
  };
}

export function makeEvent(seq: number, kind = 'chat'): TimelineEvent {
  return {
    room_id: 'room_a',
    seq,
    at: '2026-03-04T10:00:00Z',
    actor: 'person_a',
    kind,
    audience: 'everyone',
    trust: 'observed',
    payload: { text: `line ${seq}` },
    payload_digest: '',
    previous: '',
    digest: ''
  };
}

/** A message source in the hands of a test. */
export class Wire<T> implements MessageSource<T> {
  readonly message = new Signal<this, T>(this);
  readonly connectedChanged = new Signal<this, boolean>(this);
  connected = false;
  isDisposed = false;

  dispose(): void {
    this.isDisposed = true;
  }

  connect(connected = true): void {
    this.connected = connected;
    this.connectedChanged.emit(connected);
  }

  send(message: T): void {
    this.message.emit(message);
  }
}

/** The server of one room, hand-made: keeps what it is asked, answers what it is told. */
export class RoomServer implements RoomApi {
  readonly wire = new Wire<RoomMessage>();
  readonly submitted: NewRun[] = [];
  readonly states: [RoomState, number][] = [];
  readonly answers: [string, string][] = [];
  readonly runs = new Map<string, Run>();
  events: TimelineEvent[] = [];
  room = makeRoom();
  people: Person[] = [];
  input: InputRequest | null = null;

  hello(runs: Run[] = []): void {
    this.wire.connect();
    this.wire.send({
      type: 'hello',
      room: this.room,
      participants: this.people,
      runs,
      sandbox: null,
      input: this.input,
      server_time: new Date(NOW).toISOString()
    });
  }

  roomEvents(): Wire<RoomMessage> {
    return this.wire;
  }

  setState(_id: string, to: RoomState, inSeconds = 0): Promise<Room> {
    this.states.push([to, inSeconds]);
    this.room = { ...this.room, state: to, version: this.room.version + 1 };
    return Promise.resolve(this.room);
  }

  submitRun(_id: string, run: NewRun): Promise<Run> {
    this.submitted.push(run);
    const accepted = makeRun({
      id: `run_${this.submitted.length}`,
      cell_id: run.cell_id
    });
    this.runs.set(accepted.id, accepted);
    return Promise.resolve(accepted);
  }

  run(_id: string, runId: string): Promise<Run> {
    const run = this.runs.get(runId);
    return run ? Promise.resolve(run) : Promise.reject(new Error('no such run'));
  }

  timeline(_id: string, after = 0): Promise<TimelineEvent[]> {
    return Promise.resolve(this.events.filter(event => event.seq > after));
  }

  answerInput(_id: string, runId: string, value: string): Promise<void> {
    this.answers.push([runId, value]);
    return Promise.resolve();
  }

  extendRun(_id: string, runId: string, seconds: number): Promise<Run> {
    const run = this.runs.get(runId);
    return run
      ? Promise.resolve({ ...run, time_limit_s: (run.time_limit_s ?? 0) + seconds })
      : Promise.reject(new Error('no such run'));
  }

  ownBranches: Branch[] = [];
  readonly ended: [string, string][] = [];

  branches(): Promise<Branch[]> {
    return Promise.resolve(this.ownBranches);
  }

  beginBranch(_id: string, document: string): Promise<Branch> {
    const branch = makeBranch({ document });
    this.ownBranches = [branch];
    return Promise.resolve(branch);
  }

  mergeBranch(_id: string, branchId: string): Promise<BranchChanges> {
    this.ended.push(['merge', branchId]);
    return Promise.resolve({ added: 0, removed: 0, changed: 0 });
  }

  discardBranch(_id: string, branchId: string): Promise<void> {
    this.ended.push(['discard', branchId]);
    return Promise.resolve();
  }

  admit = (): Promise<void> => Promise.resolve();
  remove = (): Promise<void> => Promise.resolve();
  chat = (): Promise<void> => Promise.resolve();
  sandbox = (): Promise<Sandbox> => Promise.reject(new Error('no sandbox'));
  restartSandbox = (): Promise<void> => Promise.resolve();
  interruptSandbox = (): Promise<void> => Promise.resolve();
  keepSandbox = (): Promise<Sandbox> => this.sandbox();
  reportOrigins = (): Promise<void> => Promise.resolve();

  copyUrl = (): string => '';
}
