/** What goes from a page to its server, over a network that may break or swallow it. */

import { ServerConnection } from '@jupyterlab/services';

import { PageSocket } from './sockets';

/** Connections that browsers keep for requests to one server, over HTTP/1.1. */
const POOLED = 6;
/** Milliseconds in which a pooled connection has to answer after the network was lost. */
const PROBE_MS = 2_000;

/** Milliseconds for which JupyterLab is not told that the server cannot read its store. */
const PATIENCE_MS = 60_000;
/** The server's word for it, and that of a proxy that cannot reach the server. */
const UNAVAILABLE = new Set([502, 503, 504]);
/** Milliseconds until something is asked again, at first and at most. */
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 5_000;
/** What is no GET and asks for what is there all the same: a document's session, a kernel's. */
const ASKING = /\/api\/(collaboration\/session\/.*|sessions)$/;

/** How often something is read that the network has swallowed, or that fails by itself. */
const READS = 3;
const SWALLOWED = new DOMException('The network has swallowed this.', 'AbortError');

function methodOf(input: RequestInfo | URL, init?: RequestInit): string {
  return (
    init?.method ??
    (typeof input === 'object' && 'method' in input ? input.method : 'GET')
  );
}

function addressOf(input: RequestInfo | URL): string {
  return typeof input === 'object' && 'url' in input ? input.url : String(input);
}

/** Whether asking again changes nothing, should the server have heard it the first time. */
function isRepeatable(input: RequestInfo | URL, init?: RequestInit): boolean {
  return (
    methodOf(input, init) === 'GET' ||
    ASKING.test(new URL(addressOf(input), window.location.href).pathname)
  );
}

/** Whether the network has failed; the caller's own abort is none of that. */
function isFailure(reason: unknown): boolean {
  return reason === SWALLOWED || reason instanceof TypeError;
}

/** Return a signal that aborts a request which has no answer then. */
export function abortedAfter(ms: number): AbortSignal {
  const late = new AbortController();
  window.setTimeout(() => {
    late.abort();
  }, ms);
  return late.signal;
}

/**
 * Knows what is under way, and ends it when nobody is going to answer.
 *
 * A browser sends no more than `POOLED` requests at once and waits for minutes for an answer:
 * a few that the network has swallowed hold up all that follow.
 */
export class Uplink {
  /** @param baseUrl - The page's server. */
  constructor(baseUrl: string) {
    this._probeUrl = new URL('api/me', baseUrl).href; // is answered at once
  }

  /** Does what `window.fetch` does. What was given up and only reads is sent again. */
  readonly fetch: typeof window.fetch = async (input, init) => {
    for (let left = methodOf(input, init) === 'GET' ? READS : 1; ; left--) {
      await this._fresh;
      try {
        return await this._send(input, init);
      } catch (reason) {
        if (reason !== SWALLOWED || left === 1) {
          throw reason;
        }
      }
    }
  };

  /**
   * Take over what JupyterLab itself sends; return the settings with which it does so.
   *
   * Called before JupyterLab asks for anything.
   */
  takeOver(): ServerConnection.ISettings {
    window.fetch = this._patiently; // of the settings that JupyterLab makes anew here and there
    return ServerConnection.makeSettings({
      fetch: this._patiently,
      WebSocket: PageSocket
    });
  }

  /** The network has swallowed what is under way. */
  giveUp(): void {
    this._lostAt ??= Date.now();
    for (const request of this._underWay) {
      request.abort(SWALLOWED);
    }
  }

  /** The network is back; what follows waits until dead connections are gone. */
  back(): void {
    this.giveUp();
    PageSocket.giveUpSilentSince(this._lostAt ?? 0);
    this._lostAt = null;
    this._fresh = this._dropDead();
  }

  /**
   * Have the browser throw away connections that it keeps and that are dead.
   *
   * It would send the next requests over them. As many requests at once as it keeps
   * connections use each; one that is aborted takes its connection with it.
   */
  private async _dropDead(): Promise<void> {
    await Promise.all(Array.from({ length: POOLED }, () => this._probe()));
  }

  /** Whether the server answers; a connection that is dead is gone then. */
  private async _probe(): Promise<boolean> {
    const signal = abortedAfter(PROBE_MS);
    try {
      await this._send(this._probeUrl, { cache: 'no-store', signal });
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Ask again for what cannot be had at the moment; while the network fails, until it is back.
   *
   * JupyterLab asks once. It would put a dialog over the page and take the keyboard from whoever
   * writes on, and a page that was still loading would be without its notebook for good.
   */
  private readonly _patiently: typeof window.fetch = async (input, init) => {
    if (!isRepeatable(input, init)) {
      return this.fetch(input, init);
    }
    const until = Date.now() + PATIENCE_MS;
    let pause = FIRST_PAUSE_MS;
    for (let left = READS; ;) {
      try {
        // A request's body can be read once.
        const request = input instanceof window.Request ? input.clone() : input;
        const response = await this.fetch(request, init);
        if (!UNAVAILABLE.has(response.status) || Date.now() >= until) {
          return response;
        }
      } catch (reason) {
        if (!isFailure(reason)) {
          throw reason;
        }
        // What the page's policy refuses fails like this, too: while the server answers otherwise.
        left = (await this._probe()) ? left - 1 : READS;
        if (left === 0) {
          throw reason;
        }
      }
      await new Promise(resolve => window.setTimeout(resolve, pause));
      pause = Math.min(2 * pause, LAST_PAUSE_MS);
    }
  };

  private async _send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new AbortController();
    const asked =
      init?.signal ??
      (typeof input === 'object' && 'signal' in input ? input.signal : null);
    const abort = (): void => {
      request.abort(asked?.reason);
    };
    if (asked?.aborted) {
      abort();
    }
    asked?.addEventListener('abort', abort);
    this._underWay.add(request);
    try {
      return await this._fetch(input, { ...init, signal: request.signal });
    } catch (reason) {
      throw request.signal.reason === SWALLOWED ? SWALLOWED : reason;
    } finally {
      asked?.removeEventListener('abort', abort);
      this._underWay.delete(request);
    }
  }

  private readonly _probeUrl: string;
  private readonly _fetch = window.fetch.bind(window);
  private readonly _underWay = new Set<AbortController>();
  private _fresh: Promise<void> = Promise.resolve();
  private _lostAt: number | null = null;
}
