import type { ServerConnection } from '@jupyterlab/services';

import { Requests } from '../src/api/requests';

const POOLED = 6;

/** Stands for a browser: so many requests at once, each until it is answered or aborted. */
class Network {
  swallows = false;
  asked: string[] = [];

  readonly fetch = jest.fn(
    (url: string, init?: RequestInit): Promise<Response> =>
      new Promise((resolve, reject) => {
        const swallowed = this.swallows;
        if (init?.signal?.aborted) {
          reject(new Error('aborted'));
          return;
        }
        const go = (): void => {
          this._busy++;
          this.asked.push(url);
          const end = (settle: () => void): void => {
            this._busy--;
            settle();
            this._queue.shift()?.();
          };
          init?.signal?.addEventListener('abort', () => {
            end(() => {
              reject(new Error('aborted'));
            });
          });
          if (!swallowed) {
            end(() => {
              resolve({ ok: true } as Response);
            });
          }
        };
        if (this._busy < POOLED) {
          go();
        } else {
          this._queue.push(go);
        }
      })
  );

  private _busy = 0;
  private readonly _queue: (() => void)[] = [];
}

describe('Requests', () => {
  const network = new Network();
  const before = window.fetch;

  beforeEach(() => {
    network.swallows = false;
    network.asked = [];
    window.fetch = network.fetch as unknown as typeof window.fetch;
  });

  afterEach(() => {
    window.fetch = before;
  });

  it('end with the network what JupyterLab has asked, too', async () => {
    const requests = new Requests('me');
    const settings = { fetch: window.fetch } as ServerConnection.ISettings;
    requests.takeOver(settings);
    network.swallows = true;
    const lost = Array.from({ length: POOLED }, (_, number) =>
      (number % 2 ? window.fetch : settings.fetch)(`lab/${number}`, {
        method: 'POST'
      }).catch(() => 'lost')
    );
    await Promise.resolve();
    network.swallows = false;
    requests.back();
    await requests.fetch('executions');
    expect(await Promise.all(lost)).toEqual(Array<string>(POOLED).fill('lost'));
    expect(network.asked.slice(POOLED)).toEqual([
      ...Array<string>(POOLED).fill('me'),
      'executions'
    ]);
  });

  it('that only read are sent again where the network has swallowed them', async () => {
    const requests = new Requests('me');
    network.swallows = true;
    const read = requests.fetch('profiles');
    await Promise.resolve();
    requests.giveUp();
    await new Promise(resolve => window.setTimeout(resolve));
    network.swallows = false;
    requests.back();
    expect(await read).toEqual({ ok: true });
    expect(network.asked).toEqual([
      'profiles',
      'profiles',
      ...Array<string>(POOLED).fill('me'),
      'profiles'
    ]);
  });

  it('that only read are given up in the end', async () => {
    const requests = new Requests('me');
    network.swallows = true;
    const read = requests.fetch('profiles');
    for (let times = 0; times < 3; times++) {
      await new Promise(resolve => window.setTimeout(resolve));
      requests.giveUp();
    }
    await expect(read).rejects.toThrow('swallowed');
  });

  it('of JupyterLab are made again while the server cannot read', async () => {
    const answers = [503, 503, 200, 503];
    window.fetch = jest.fn(() =>
      Promise.resolve({ status: answers.shift() } as Response)
    );
    const requests = new Requests('me');
    const settings = { fetch: window.fetch } as ServerConnection.ISettings;
    requests.takeOver(settings);
    expect((await settings.fetch('contents')).status).toBe(200);
    expect((await settings.fetch('x', { method: 'PUT' })).status).toBe(503);
    expect(answers).toEqual([]);
  });

  it('are aborted by whoever has asked', async () => {
    const requests = new Requests('me');
    network.swallows = true;
    const asker = new AbortController();
    const asked = requests.fetch('slow', { signal: asker.signal });
    await Promise.resolve();
    asker.abort();
    await expect(asked).rejects.toThrow('aborted');
    asker.abort();
    await expect(requests.fetch('late', { signal: asker.signal })).rejects.toThrow();
  });
});
