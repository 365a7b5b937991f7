import { nullTranslator } from '@jupyterlab/translation';

import { OFFLINE_MS } from '../src/rooms/Banner';
import { RoomModel } from '../src/rooms/model';
import { Narrator } from '../src/rooms/narrator';
import { RoomServer, makeSandbox } from './fixtures';

describe('the narrator', () => {
  const trans = nullTranslator.load('');
  const gone = { available: false, message: 'Docker is not there.', hint: '' };
  let server: RoomServer;
  let model: RoomModel;
  let said: string[];

  beforeEach(() => {
    jest.useFakeTimers();
    server = new RoomServer();
    model = new RoomModel('room_a', server);
    said = [];
    new Narrator(model, trans).said.connect((_, { text, urgent }) => {
      said.push(`${urgent ? '! ' : ''}${text}`);
    });
    server.hello();
  });

  afterEach(() => {
    model.dispose();
    jest.useRealTimers();
  });

  it('says that the connection is lost, and back', () => {
    server.wire.connect(false);
    jest.advanceTimersByTime(OFFLINE_MS);
    server.hello();
    jest.advanceTimersByTime(OFFLINE_MS);
    expect(said).toEqual([
      expect.stringMatching(/^! The connection is lost/),
      'The connection is back.'
    ]);
  });

  it('says nothing of a connection that is back at once', () => {
    server.wire.connect(false);
    jest.advanceTimersByTime(OFFLINE_MS / 2);
    server.hello();
    jest.advanceTimersByTime(OFFLINE_MS);
    expect(said).toEqual([]);
  });

  it('says that the server cannot save, and can again', () => {
    server.wire.send({ type: 'store', ok: false, since: '2026-03-04T10:00:00Z' });
    jest.advanceTimersByTime(OFFLINE_MS);
    server.wire.send({ type: 'store', ok: true, since: null });
    jest.advanceTimersByTime(OFFLINE_MS);
    expect(said).toEqual([
      expect.stringMatching(/^! The server cannot save/),
      'The server can save again.'
    ]);
  });

  it('says that there is nothing for cells to run in, and that there is again', () => {
    server.wire.send({ type: 'sandbox', sandbox: makeSandbox({ engine: gone }) });
    jest.advanceTimersByTime(OFFLINE_MS);
    server.wire.send({ type: 'sandbox', sandbox: makeSandbox() });
    jest.advanceTimersByTime(OFFLINE_MS);
    expect(said).toEqual([
      'Cells cannot run right now: Docker is not there.',
      'Cells can run again.'
    ]);
  });
});
