/** The requests of a page to its server, over a network that may swallow them. */

import type { ServerConnection } from '@jupyterlab/services';

/** Connections that browsers keep for requests to one server, over HTTP/1.1. */
const POOLED = 6;
/** Milliseconds in which a pooled connection has to answer after the network was lost. */
const PROBE_MS = 2_000;

/** Milliseconds for which JupyterLab is not told that the server cannot read its store. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 1_000;
const UNAVAILABLE = 503;

/** How often something is read that the network has swallowed. */
const READS = 3;
const SWALLOWED = new DOMException('The network has swallowed this.', 'AbortError');

function methodOf(input: RequestInfo | URL, init?: RequestInit): string {
  return (
    init?.method ??
    (typeof input === 'object' && 'method' in input ? input.method : 'GET')
  );
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
export class Requests {
  /** @param probeUrl - Something that is answered at once. */
  constructor(private readonly _probeUrl: string) {}

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

  /** Have a page's other requests, those of JupyterLab itself, go through here, too. */
  takeOver(settings: ServerConnection.ISettings): void {
    window.fetch = this._patiently; // of the settings that JupyterLab makes anew here and there
    (settings as { fetch: typeof window.fetch }).fetch = this._patiently;
  }

  /** The network has swallowed what is under way. */
  giveUp(): void {
    for (const request of this._underWay) {
      request.abort(SWALLOWED);
    }
  }

  /** The network is back; what follows waits until dead connections are gone. */
  back(): void {
    this.giveUp();
    this._fresh = this._dropDead();
  }

  /**
   * Have the browser throw away connections that it keeps and that are dead.
   *
   * It would send the next requests over them. As many requests at once as it keeps
   * connections use each; one that is aborted takes its connection with it.
   */
  private async _dropDead(): Promise<void> {
    const probe = async (): Promise<void> => {
      const signal = abortedAfter(PROBE_MS);
      try {
        await this._send(this._probeUrl, { cache: 'no-store', signal });
      } catch {
        // That was one.
      }
    };
    await Promise.all(Array.from({ length: POOLED }, probe));
  }

  /**
   * Read again what cannot be read at the moment.
   *
   * JupyterLab would put a dialog over the page, and take the keyboard from whoever writes on.
   */
  private readonly _patiently: typeof window.fetch = async (input, init) => {
    const until = Date.now() + (methodOf(input, init) === 'GET' ? PATIENCE_MS : 0);
    let response = await this.fetch(input, init);
    while (response.status === UNAVAILABLE && Date.now() < until) {
      await new Promise(resolve => window.setTimeout(resolve, AGAIN_MS));
      response = await this.fetch(input, init);
    }
    return response;
  };

  private async _send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new AbortController();
    const asked =
      init?.signal ??
      (typeof input === 'object' && 'signal' in input ? input.signal : null);
    const abort = (): void => {
      request.abort();
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

  private readonly _fetch = window.fetch.bind(window);
  private readonly _underWay = new Set<AbortController>();
  private _fresh: Promise<void> = Promise.resolve();
}
