/** The server's HTTP API: the only place of this package that sends requests. */

import { ServerConnection } from '@jupyterlab/services';

import { ApiError } from './errors';
import { EventStream } from './events';
import { abortedAfter, Uplink } from './uplink';
import type {
  Branch,
  BranchChanges,
  HostMessage,
  Invite,
  InviteRole,
  IssuedInvite,
  NewRoom,
  NewRun,
  Person,
  Profile,
  ReportedOrigin,
  Room,
  RoomMessage,
  RoomState,
  Run,
  Sandbox,
  Template,
  TimelineEvent
} from './types';

/** Milliseconds until a request without an answer counts as failed; no honest one takes so long. */
const REQUEST_MS = 60_000;

/** How a request of `Client` differs from a plain GET. */
interface Request {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  body?: object;
  headers?: Record<string, string>;
}

/** The API under one prefix: the host's server, or the door of one room. */
export class Client {
  /** @param prefix - Address of the API, or its path on the page's server. */
  constructor(
    prefix: string,
    settings: ServerConnection.ISettings,
    private readonly _uplink = new Uplink(settings.baseUrl)
  ) {
    // The browser's own sockets: an event stream bounds them itself, which tells it of silence.
    this._settings = { ...settings, fetch: _uplink.fetch, WebSocket };
    this._url = new URL(prefix, settings.baseUrl).href;
    this._wsUrl = this._url.replace(/^http/, 'ws');
  }

  async rooms(): Promise<Room[]> {
    return (await this._send<{ rooms: Room[] }>('rooms')).rooms;
  }

  async templates(): Promise<Template[]> {
    return (await this._send<{ templates: Template[] }>('templates')).templates;
  }

  async profiles(): Promise<Profile[]> {
    return (await this._send<{ profiles: Profile[] }>('profiles')).profiles;
  }

  /** @param key - Repeating a request with the same key makes no second room. */
  createRoom(room: NewRoom, key: string): Promise<Room> {
    return this._send('rooms', {
      method: 'POST',
      body: room,
      headers: { 'Idempotency-Key': key }
    });
  }

  room(id: string): Promise<Room> {
    return this._send(`rooms/${id}`);
  }

  /** Have other packages installed; only before the interview begins. */
  setPackages(id: string, packages: string[]): Promise<Room> {
    return this._send(`rooms/${id}`, { method: 'PATCH', body: { packages } });
  }

  /** Try once more to install the packages. */
  prepare(id: string): Promise<Room> {
    return this._send(`rooms/${id}/preparation`, { method: 'POST' });
  }

  deleteRoom(id: string): Promise<void> {
    return this._send(`rooms/${id}`, { method: 'DELETE' });
  }

  /** @param inSeconds - With `ended`: a warning first, and the end after so many seconds. */
  setState(id: string, to: RoomState, inSeconds = 0): Promise<Room> {
    return this._send(`rooms/${id}/state`, {
      method: 'POST',
      body: inSeconds ? { to, in_s: inSeconds } : { to }
    });
  }

  /** Return the address at which the host enters the room; it holds for 30 seconds. */
  async enter(id: string): Promise<string> {
    const answer = await this._send<{ url: string }>(`rooms/${id}/enter`, {
      method: 'POST'
    });
    return answer.url;
  }

  async invites(id: string): Promise<Invite[]> {
    return (await this._send<{ invites: Invite[] }>(`rooms/${id}/invites`)).invites;
  }

  /** Issue an invite; its link is in this answer and never again. */
  invite(id: string, role: InviteRole, name: string): Promise<IssuedInvite> {
    return this._send(`rooms/${id}/invites`, {
      method: 'POST',
      body: name ? { role, name } : { role }
    });
  }

  revoke(id: string, inviteId: string): Promise<void> {
    return this._send(`rooms/${id}/invites/${inviteId}`, { method: 'DELETE' });
  }

  async participants(id: string): Promise<Person[]> {
    return (await this._send<{ participants: Person[] }>(`rooms/${id}/participants`))
      .participants;
  }

  async admit(id: string, participantId: string): Promise<void> {
    await this._send(`rooms/${id}/participants/${participantId}/admit`, {
      method: 'POST'
    });
  }

  remove(id: string, participantId: string): Promise<void> {
    return this._send(`rooms/${id}/participants/${participantId}`, {
      method: 'DELETE'
    });
  }

  async erase(id: string, participantId: string): Promise<void> {
    await this._send(`rooms/${id}/participants/${participantId}/erasure`, {
      method: 'POST'
    });
  }

  hold(id: string, held: boolean): Promise<Room> {
    return this._send(`rooms/${id}/hold`, { method: 'POST', body: { held } });
  }

  async chat(id: string, text: string): Promise<void> {
    await this._send(`rooms/${id}/chat`, { method: 'POST', body: { text } });
  }

  /** This person's own branch, if there is one. */
  async branches(id: string): Promise<Branch[]> {
    return (await this._send<{ branches: Branch[] }>(`rooms/${id}/branches`)).branches;
  }

  beginBranch(id: string, documentId: string): Promise<Branch> {
    return this._send(`rooms/${id}/branches`, {
      method: 'POST',
      body: { document: documentId }
    });
  }

  mergeBranch(id: string, branchId: string): Promise<BranchChanges> {
    return this._send(`rooms/${id}/branches/${branchId}/merge`, { method: 'POST' });
  }

  discardBranch(id: string, branchId: string): Promise<void> {
    return this._send(`rooms/${id}/branches/${branchId}`, { method: 'DELETE' });
  }

  submitRun(id: string, run: NewRun): Promise<Run> {
    return this._send(`rooms/${id}/executions`, { method: 'POST', body: run });
  }

  run(id: string, runId: string): Promise<Run> {
    return this._send(`rooms/${id}/executions/${runId}`);
  }

  extendRun(id: string, runId: string, seconds: number): Promise<Run> {
    return this._send(`rooms/${id}/executions/${runId}/extend`, {
      method: 'POST',
      body: { seconds }
    });
  }

  answerInput(id: string, runId: string, value: string): Promise<void> {
    return this._send(`rooms/${id}/executions/${runId}/input`, {
      method: 'POST',
      body: { value }
    });
  }

  sandbox(id: string): Promise<Sandbox> {
    return this._send(`rooms/${id}/sandbox`);
  }

  async restartSandbox(id: string): Promise<void> {
    await this._send(`rooms/${id}/sandbox/restart`, { method: 'POST' });
  }

  async interruptSandbox(id: string): Promise<void> {
    await this._send(`rooms/${id}/sandbox/interrupt`, { method: 'POST' });
  }

  keepSandbox(id: string): Promise<Sandbox> {
    return this._send(`rooms/${id}/sandbox/keep`, { method: 'POST' });
  }

  async timeline(id: string, after = 0): Promise<TimelineEvent[]> {
    return (
      await this._send<{ events: TimelineEvent[] }>(
        `rooms/${id}/timeline?after=${after}`
      )
    ).events;
  }

  async reportOrigins(
    id: string,
    documentId: string,
    origins: ReportedOrigin[]
  ): Promise<void> {
    await this._send(`rooms/${id}/documents/${documentId}/origins`, {
      method: 'POST',
      body: { origins }
    });
  }

  /** Address of a notebook's own copy, as a download. */
  copyUrl(id: string, documentId: string): string {
    return `${this._url}/rooms/${id}/documents/${documentId}/copy`;
  }

  roomEvents(id: string): EventStream<RoomMessage> {
    return this._stream(`rooms/${id}/events`);
  }

  hostEvents(): EventStream<HostMessage> {
    return this._stream('events');
  }

  private _stream<T extends { type: string }>(path: string): EventStream<T> {
    const { token, appendToken, WebSocket } = this._settings;
    const query =
      appendToken && token !== '' ? `?token=${encodeURIComponent(token)}` : '';
    return new EventStream<T>(
      () => new WebSocket(`${this._wsUrl}/${path}${query}`),
      () => {
        this._uplink.giveUp();
      },
      () => {
        this._uplink.back();
      }
    );
  }

  private async _send<T>(path: string, request: Request = {}): Promise<T> {
    const { method = 'GET', body, headers } = request;
    const init: RequestInit = { method, signal: abortedAfter(REQUEST_MS) };
    if (body) {
      init.body = JSON.stringify(body);
    }
    if (headers) {
      init.headers = headers;
    }
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(
        `${this._url}/${path}`,
        init,
        this._settings
      );
    } catch {
      throw ApiError.offline();
    }
    if (!response.ok) {
      throw ApiError.fromBody(response.status, await readJson(response));
    }
    return (await readJson(response)) as T;
  }

  private readonly _settings: ServerConnection.ISettings;
  private readonly _url: string;
  private readonly _wsUrl: string;
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
