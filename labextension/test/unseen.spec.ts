import { RoomModel } from '../src/rooms/model';
import { UnseenChat } from '../src/rooms/unseen';
import { NOW, RoomServer, makeEvent } from './fixtures';

describe('chat that nobody sees', () => {
  let server: RoomServer;
  let model: RoomModel;
  let unseen: UnseenChat;
  let visible: boolean;
  let came: number[];

  beforeEach(() => {
    server = new RoomServer();
    model = new RoomModel('room_a', server, () => NOW);
    visible = false;
    came = [];
    unseen = new UnseenChat(
      model,
      () => visible,
      () => 1000
    );
    unseen.came.connect((_, event) => {
      came.push(event.seq);
    });
    server.hello();
  });

  afterEach(() => {
    model.dispose();
  });

  const write = (seq: number, changes = {}): void => {
    server.wire.send({
      type: 'event',
      event: { ...makeEvent(seq), actor: 'person_b', ...changes }
    });
  };

  it('is told line by line and counted until it is looked at', () => {
    write(1);
    write(2);
    expect([came, unseen.count]).toEqual([[1, 2], 2]);
    unseen.seen();
    expect(unseen.count).toBe(0);
  });

  it('is not what one wrote oneself, sees, or could have seen before', () => {
    write(2, { actor: 'person_a' });
    write(1, { at: new Date(NOW - 60_000).toISOString() });
    write(3, { kind: 'run.started' });
    visible = true;
    write(4);
    visible = false;
    write(5);
    expect([came, unseen.count]).toEqual([[5], 1]);
  });

  it('is also what was written while the page was loading', async () => {
    server.events = [
      { ...makeEvent(1), actor: 'person_b', at: new Date(NOW - 500).toISOString() }
    ];
    server.hello();
    await Promise.resolve();
    expect(came).toEqual([1]);
  });
});
