import type { SocketProvider } from '../src/collab/renew';
import { renew } from '../src/collab/renew';

const LOST = 1_000;

function provider(
  readyState: number,
  heard: number
): { provider: SocketProvider; closed: jest.Mock; handled: jest.Mock } {
  const closed = jest.fn();
  const handled = jest.fn();
  const ws = {
    readyState,
    close: closed,
    onopen: null,
    onmessage: null,
    onerror: null,
    onclose: handled
  };
  return { provider: { ws, wsLastMessageReceived: heard }, closed, handled };
}

describe('renew', () => {
  it.each([
    ['an open socket that has said nothing since', WebSocket.OPEN, LOST - 1, LOST, 1],
    ['an open socket that has said something since', WebSocket.OPEN, LOST, LOST, 0],
    ['one that is still opening', WebSocket.CONNECTING, LOST + 1, LOST, 1],
    ['any, when asked to', WebSocket.OPEN, LOST + 1, Infinity, 1]
  ])('of %s', (_, state, heard, lostAt, times) => {
    const { provider: one, closed, handled } = provider(state, heard);
    renew(one, lostAt);
    expect(closed).toHaveBeenCalledTimes(times);
    expect(handled).toHaveBeenCalledTimes(times);
  });

  it('leaves one alone that waits to try again', () => {
    expect(() => {
      renew({ ws: null, wsLastMessageReceived: 0 }, Infinity);
    }).not.toThrow();
  });
});
