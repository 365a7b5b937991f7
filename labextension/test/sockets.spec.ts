import { LATE_MS } from '../src/api/deadline';
import { OPENING_MS, PageSocket } from '../src/api/sockets';

const URL = 'ws://localhost/never';

/** A socket that is opening; the tests are its network, and over before jsdom has tried. */
function swallowed(heard: string[]): PageSocket {
  const socket = new PageSocket(URL);
  socket.onopen = () => heard.push('open');
  socket.onmessage = () => heard.push('message');
  socket.onclose = () => heard.push('close');
  return socket;
}

describe('PageSocket', () => {
  let heard: string[];
  let stood: number;

  beforeEach(() => {
    jest.useFakeTimers();
    heard = [];
    stood = 0;
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + stood);
    jest.spyOn(WebSocket.prototype, 'close').mockImplementation();
  });

  afterEach(() => {
    PageSocket.giveUpSilentSince(Infinity);
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('is closed when it does not open', () => {
    const socket = swallowed(heard);
    jest.advanceTimersByTime(OPENING_MS - 1);
    expect(heard).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(heard).toEqual(['close']);
    // What the browser says of it afterwards is about a socket that nobody has any more.
    socket.dispatchEvent(new Event('open'));
    socket.dispatchEvent(new CloseEvent('close'));
    expect(heard).toEqual(['close']);
  });

  it('may open late where the page itself stood still', () => {
    const socket = swallowed(heard);
    stood = 30_000;
    jest.advanceTimersByTime(OPENING_MS);
    socket.dispatchEvent(new Event('open'));
    jest.advanceTimersByTime(LATE_MS + OPENING_MS);
    expect(heard).toEqual(['open']);
  });

  it('is given up when nothing has come to it since', () => {
    const silent = swallowed(heard);
    silent.dispatchEvent(new Event('open'));
    jest.advanceTimersByTime(1_000);
    const lost = Date.now();
    const alive = swallowed(heard);
    alive.dispatchEvent(new Event('open'));
    PageSocket.giveUpSilentSince(lost);
    PageSocket.giveUpSilentSince(lost);
    expect(heard).toEqual(['open', 'open', 'close']);
    expect(silent.close).toHaveBeenCalledTimes(1);
  });
});
