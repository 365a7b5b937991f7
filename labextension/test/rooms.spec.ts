import { ApiError } from '../src/api/errors';
import type { HostMessage, Invite, Person, Room } from '../src/api/types';
import { countdown } from '../src/rooms/countdown';
import type { HostApi } from '../src/rooms/roomsModel';
import { RoomsModel } from '../src/rooms/roomsModel';
import { makeRoom, NOW, Wire } from './fixtures';

class HostServer implements Partial<HostApi> {
  readonly wire = new Wire<HostMessage>();
  failures = 0;
  failure = ApiError.offline();
  asked = 0;

  hostEvents = (): Wire<HostMessage> => this.wire;
  rooms = (): Promise<Room[]> => {
    this.asked++;
    return this.failures-- > 0
      ? Promise.reject(this.failure)
      : Promise.resolve([makeRoom()]);
  };
  participants = (): Promise<Person[]> => Promise.resolve([]);
  invites = (): Promise<Invite[]> => Promise.resolve([]);
}

describe('RoomsModel', () => {
  let server: HostServer;

  beforeEach(() => {
    jest.useFakeTimers();
    server = new HostServer();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('reads a list again that could not be read', async () => {
    server.failures = 2;
    const model = new RoomsModel(server as unknown as HostApi);
    await model.refresh();
    expect(model.failure).not.toBeNull();
    await jest.advanceTimersByTimeAsync(12_000);
    expect(model.failure).toBeNull();
    expect(model.entries).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(server.asked).toBe(3);
  });

  it('does not ask again where it may not ask', async () => {
    server.failures = 100;
    server.failure = new ApiError(403, 'forbidden', 'Only hosts may.');
    const model = new RoomsModel(server as unknown as HostApi);
    await model.refresh();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(server.asked).toBe(1);
    model.dispose();
  });

  it('reads nothing any more once it is disposed', async () => {
    server.failures = 100;
    const model = new RoomsModel(server as unknown as HostApi);
    const reading = model.refresh();
    model.dispose();
    await reading;
    await jest.advanceTimersByTimeAsync(60_000);
    expect(server.asked).toBe(1);
  });

  it('counts by the server’s clock, whatever the laptop’s says', () => {
    const hours = 3 * 3_600_000;
    const model = new RoomsModel(server as unknown as HostApi, () => NOW - hours);
    const at = new Date(NOW + 60_000).toISOString();
    server.wire.send({ type: 'hello', server_time: at });
    expect(countdown(makeRoom(), model.now).elapsed).toBe(60_000);
    model.dispose();
  });
});
