import { LATE_MS } from '../src/api/deadline';
import { ANSWER_MS, EventStream, PING_MS } from '../src/api/events';
import { OPENING_MS } from '../src/api/sockets';

/** What the stream uses of a WebSocket; the test is its network. */
class FakeSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly sent: string[] = [];
  closed = false;

  send(data: string): void {
    this.sent.push(data);
  }

  close(): void {
    this.closed = true;
  }

  hear(message: { type: string }): void {
    this.onmessage?.(new MessageEvent('message', { data: JSON.stringify(message) }));
  }
}

describe('EventStream', () => {
  let socket: FakeSocket;
  let count: number;
  let stood: number;
  let stream: EventStream<{ type: string }>;
  let silent: jest.Mock;

  beforeEach(() => {
    jest.useFakeTimers();
    count = 0;
    stood = 0;
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + stood);
    silent = jest.fn();
    stream = new EventStream(() => {
      socket = new FakeSocket();
      count++;
      return socket as unknown as WebSocket;
    }, silent);
  });

  afterEach(() => {
    stream.dispose();
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('gives up a connection that has fallen silent, and comes back', () => {
    socket.onopen?.();
    jest.advanceTimersByTime(PING_MS);
    expect(socket.sent).toEqual(['{"type":"ping"}']);
    jest.advanceTimersByTime(ANSWER_MS - 1);
    expect(silent).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(silent).toHaveBeenCalledTimes(1);
    expect(socket.closed).toBe(true);
    jest.advanceTimersByTime(LATE_MS);
    expect(count).toBe(2);
  });

  it('hears what came while the page itself stood still before it gives up', () => {
    socket.onopen?.();
    jest.advanceTimersByTime(PING_MS);
    stood += 20_000; // the timer comes that much late, and before what waits to be heard
    jest.advanceTimersByTime(ANSWER_MS);
    expect(silent).not.toHaveBeenCalled();
    socket.hear({ type: 'pong' });
    jest.advanceTimersByTime(LATE_MS);
    expect(silent).not.toHaveBeenCalled();
    expect(socket.sent).toHaveLength(1);
    jest.advanceTimersByTime(PING_MS);
    expect(socket.sent).toHaveLength(2);
  });

  it('gives up after having stood still if there was nothing to hear', () => {
    socket.onopen?.();
    jest.advanceTimersByTime(PING_MS);
    stood += 20_000;
    jest.advanceTimersByTime(ANSWER_MS + LATE_MS);
    expect(silent).toHaveBeenCalledTimes(1);
  });

  it('gives up a socket that does not open', () => {
    jest.advanceTimersByTime(OPENING_MS);
    expect(silent).toHaveBeenCalledTimes(1);
    expect(socket.closed).toBe(true);
  });
});
