import { nullTranslator } from '@jupyterlab/translation';

import type { SavedStatus } from '../src/collab/saved';
import type { Notice } from '../src/rooms/Banner';
import { notice } from '../src/rooms/Banner';
import { LOCKING_MS, LostEdits } from '../src/rooms/lost';
import { RoomModel } from '../src/rooms/model';
import { timeOfDay } from '../src/rooms/words';
import { NOW, RoomServer, makeRoom } from './fixtures';

describe('the banner at the end', () => {
  const trans = nullTranslator.load('');
  let now: number;
  let status: SavedStatus;
  let server: RoomServer;
  let model: RoomModel;
  let lost: LostEdits;

  beforeEach(() => {
    now = NOW;
    status = { state: 'saved', since: null };
    server = new RoomServer();
    model = new RoomModel('room_a', server, () => now);
    const saved = {
      get status() {
        return status;
      }
    };
    lost = new LostEdits(model, saved, () => now);
    server.hello();
  });

  afterEach(() => {
    lost.dispose();
    model.dispose();
  });

  const end = (): void => {
    now += 60_000;
    const me = { ...server.room.me, actions: [] };
    server.wire.send({
      type: 'room',
      room: makeRoom({ state: 'ended', version: 2, me })
    });
  };
  const said = (): Notice | null => notice(model, now, trans, '/end', lost.since);

  it('promises no more than that what was saved is kept', () => {
    end();
    expect(said()?.text).toMatch(/Everything that was saved has been kept/);
    expect(said()?.keep).toBeUndefined();
  });

  it.each(['unsaved', 'reconnecting'] as const)(
    'says what did not reach the server, and offers it (%s)',
    state => {
      status = { state, since: NOW };
      expect(said()?.keep).toBeUndefined();
      end();
      expect(said()?.text).toContain(
        `What you wrote since ${timeOfDay(NOW)} did not reach the server`
      );
      expect(said()?.keep).toBe(true);
    }
  );

  it('waits for an edit that is on its way', () => {
    status = { state: 'saving', since: NOW };
    end();
    expect(said()?.keep).toBeUndefined();
  });

  it('says nothing of what the page did by itself when it was locked', () => {
    end();
    for (const since of [now - LOCKING_MS, now + 10_000]) {
      status = { state: 'unsaved', since };
      expect(said()?.keep).toBeUndefined();
    }
  });

  it('offers it to whose seat was closed, too', () => {
    status = { state: 'unsaved', since: NOW };
    now += 60_000;
    server.wire.send({ type: 'seat_closed', reason: 'moved to another device' });
    expect(said()).toMatchObject({
      keep: true,
      text: expect.stringContaining('moved to another device') as string
    });
  });
});
