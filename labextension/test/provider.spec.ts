import type { IDocumentProviderFactory } from '@jupyter/docprovider';
import { YNotebook } from '@jupyter/ydoc';
import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { providerPlugin } from '../src/collab/providerPlugin';

const SESSION =
  '{"format":"json","type":"notebook","fileId":"doc_a","sessionId":"room_a"}';

/** A provider whose server answers with these statuses, one after another; then with the last. */
function provide(
  statuses: number[],
  asked: number[]
): { isDisposed: boolean; dispose(): void } {
  const factory = providerPlugin.activate(null!) as IDocumentProviderFactory;
  return factory.create({
    path: 'interview.ipynb',
    contentType: 'notebook',
    format: 'json',
    model: new YNotebook(),
    user: {
      ready: Promise.resolve(),
      identity: null,
      userChanged: new Signal({})
    },
    translator: nullTranslator.load(''),
    serverSettings: ServerConnection.makeSettings({
      fetch: () => {
        const status = statuses[Math.min(asked.length, statuses.length - 1)]!;
        asked.push(status);
        return Promise.resolve({
          ok: status < 400,
          status,
          text: () => Promise.resolve(status < 400 ? SESSION : '{"message": "No."}')
        } as Response);
      }
    })
  } as unknown as IDocumentProviderFactory.IOptions);
}

describe('the provider of documents', () => {
  beforeEach(() => {
    jest.useFakeTimers();
    jest.spyOn(console, 'warn').mockImplementation();
  });

  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('asks for a session until there is one', async () => {
    const asked: number[] = [];
    const provider = provide([502, 500, 503, 200], asked);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([502, 500, 503, 200]);
    provider.dispose();
  });

  it.each([403, 404])(
    'does not ask again for what it may not have (%d)',
    async status => {
      const asked: number[] = [];
      const provider = provide([status], asked);
      await jest.advanceTimersByTimeAsync(60_000);
      expect(asked).toEqual([status]);
      provider.dispose();
    }
  );

  it('asks no more when the document is closed', async () => {
    const asked: number[] = [];
    const provider = provide([500], asked);
    await jest.advanceTimersByTimeAsync(500);
    provider.dispose();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([500]);
  });
});
