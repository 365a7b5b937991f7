import { ServerConnection } from '@jupyterlab/services';

import { PageSocket } from '../src/api/sockets';
import { Uplink } from '../src/api/uplink';

const PROBE = 'http://localhost/api/me';

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

describe('Uplink', () => {
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
    const uplink = new Uplink('http://localhost/');
    const settings = uplink.takeOver();
    network.swallows = true;
    const lost = Array.from({ length: POOLED }, (_, number) =>
      (number % 2 ? window.fetch : settings.fetch)(`lab/${number}`, {
        method: 'POST'
      }).catch(() => 'lost')
    );
    await Promise.resolve();
    network.swallows = false;
    uplink.back();
    await uplink.fetch('executions');
    expect(await Promise.all(lost)).toEqual(Array<string>(POOLED).fill('lost'));
    expect(network.asked.slice(POOLED)).toEqual([
      ...Array<string>(POOLED).fill(PROBE),
      'executions'
    ]);
  });

  it('that only read are sent again where the network has swallowed them', async () => {
    const uplink = new Uplink('http://localhost/');
    network.swallows = true;
    const read = uplink.fetch('profiles');
    await Promise.resolve();
    uplink.giveUp();
    await new Promise(resolve => window.setTimeout(resolve));
    network.swallows = false;
    uplink.back();
    expect(await read).toEqual({ ok: true });
    expect(network.asked).toEqual([
      'profiles',
      'profiles',
      ...Array<string>(POOLED).fill(PROBE),
      'profiles'
    ]);
  });

  it('that only read are given up in the end', async () => {
    const uplink = new Uplink('http://localhost/');
    network.swallows = true;
    const read = uplink.fetch('profiles');
    for (let times = 0; times < 3; times++) {
      await new Promise(resolve => window.setTimeout(resolve));
      uplink.giveUp();
    }
    await expect(read).rejects.toThrow('swallowed');
  });

  it('of JupyterLab are made again while the server cannot read', async () => {
    jest.useFakeTimers();
    const answers = [503, 502, 200, 503];
    window.fetch = jest.fn(() =>
      Promise.resolve({ status: answers.shift() } as Response)
    );
    const uplink = new Uplink('http://localhost/');
    const settings = uplink.takeOver();
    const contents = settings.fetch('contents');
    await jest.advanceTimersByTimeAsync(2_000);
    expect((await contents).status).toBe(200);
    expect((await settings.fetch('x', { method: 'PUT' })).status).toBe(503);
    expect(answers).toEqual([]);
    jest.useRealTimers();
  });

  it.each([
    ['GET', 'api/contents/interview.ipynb'],
    ['PUT', 'api/collaboration/session/interview.ipynb'],
    ['POST', 'api/sessions']
  ])('of JupyterLab wait for the network to be back (%s %s)', async (method, path) => {
    jest.useFakeTimers();
    const bodies: string[] = [];
    let left = 12; // most of a minute
    window.fetch = jest.fn(async (input: Request | string) => {
      if (input !== PROBE) {
        bodies.push(await (input as Request).text());
        left--;
      }
      if (left >= 0) {
        throw new TypeError('Failed to fetch');
      }
      return { status: 200 } as Response;
    }) as unknown as typeof window.fetch;
    const settings = new Uplink('http://localhost/').takeOver();
    const body = method === 'GET' ? null : '{}';
    const asked = ServerConnection.makeRequest(
      `${settings.baseUrl}${path}`,
      { method, body },
      settings
    );
    await jest.advanceTimersByTimeAsync(60_000);
    expect((await asked).status).toBe(200);
    expect(bodies).toEqual(Array<string>(13).fill(body ?? ''));
    jest.useRealTimers();
  });

  it('of JupyterLab that only they fail are given up', async () => {
    jest.useFakeTimers();
    const asked: string[] = [];
    window.fetch = jest.fn((input: string) => {
      asked.push(input);
      return input === PROBE
        ? Promise.resolve({ status: 200 } as Response)
        : Promise.reject(new TypeError('Refused by the policy'));
    }) as unknown as typeof window.fetch;
    const refused = new Uplink('http://localhost/')
      .takeOver()
      .fetch('elsewhere')
      .catch(String);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await refused).toContain('Refused by the policy');
    expect(asked.filter(address => address === 'elsewhere')).toHaveLength(3);
    jest.useRealTimers();
  });

  it('of JupyterLab that change something are sent once', async () => {
    const send = jest.fn(() => Promise.reject(new TypeError('Failed to fetch')));
    window.fetch = send;
    const settings = new Uplink('http://localhost/').takeOver();
    await expect(settings.fetch('x', { method: 'PATCH' })).rejects.toThrow('Failed');
    expect(send).toHaveBeenCalledTimes(1);
  });

  it('end for JupyterLab when JupyterLab has aborted them', async () => {
    window.fetch = jest.fn(() =>
      Promise.reject(new DOMException('Aborted.', 'AbortError'))
    );
    const settings = new Uplink('http://localhost/').takeOver();
    await expect(settings.fetch('x')).rejects.toThrow('Aborted');
  });

  it('have sockets that are found dead with them', () => {
    const uplink = new Uplink('http://localhost/');
    const giveUp = jest.spyOn(PageSocket, 'giveUpSilentSince').mockReturnValue();
    const before = Date.now();
    uplink.giveUp();
    const lost = Date.now();
    uplink.giveUp();
    uplink.back();
    expect(giveUp).toHaveBeenCalledTimes(1);
    const since = giveUp.mock.calls[0]![0];
    expect(since).toBeGreaterThanOrEqual(before);
    expect(since).toBeLessThanOrEqual(lost);
  });

  it('are aborted by whoever has asked', async () => {
    const uplink = new Uplink('http://localhost/');
    network.swallows = true;
    const asker = new AbortController();
    const asked = uplink.fetch('slow', { signal: asker.signal });
    await Promise.resolve();
    asker.abort();
    await expect(asked).rejects.toThrow('aborted');
    asker.abort();
    await expect(uplink.fetch('late', { signal: asker.signal })).rejects.toThrow();
  });
});
