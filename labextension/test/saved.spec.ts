import * as Y from 'yjs';

import { SavedModel } from '../src/collab/model';
import { LATE_MS, SavedTracker, remaining, savedStatus } from '../src/collab/saved';
import { RoomModel } from '../src/rooms/model';
import { NOW, RoomServer } from './fixtures';

const CONNECTED = { connected: true, storeFailingSince: null };

/** What the server says once it has committed an update, as it reads it from the update. */
function committed(update: Uint8Array): {
  clients: Record<string, number>;
  deletes: [number, number, number][];
} {
  const { structs, ds } = Y.decodeUpdate(update);
  const clients: Record<string, number> = {};
  for (const struct of structs) {
    clients[String(struct.id.client)] = struct.id.clock + struct.length;
  }
  const deletes: [number, number, number][] = [];
  for (const [client, items] of ds.clients) {
    for (const item of items) {
      deletes.push([client, item.clock, item.len]);
    }
  }
  return { clients, deletes };
}

describe('SavedTracker', () => {
  let doc: Y.Doc;
  let text: Y.Text;
  let updates: Uint8Array[];
  let now: number;
  let tracker: SavedTracker;

  beforeEach(() => {
    doc = new Y.Doc();
    text = doc.getText('source');
    updates = [];
    doc.on('update', (update: Uint8Array) => updates.push(update));
    now = NOW;
    tracker = new SavedTracker(doc, () => now);
  });

  it('begins saved', () => {
    expect(tracker.pendingSince).toBeNull();
  });

  it('waits for the clock of an insertion', () => {
    text.insert(0, 'abc');
    expect(tracker.pendingSince).toBe(NOW);
    tracker.durable({ clients: { [doc.clientID]: 2 }, deletes: [] });
    expect(tracker.pendingSince).toBe(NOW);
    tracker.durable(committed(updates[0]!));
    expect(tracker.pendingSince).toBeNull();
  });

  it('waits for a deletion, which no state vector shows', () => {
    text.insert(0, 'abcdef');
    tracker.durable(committed(updates[0]!));
    text.delete(1, 2);
    expect(tracker.pendingSince).toBe(NOW);
    tracker.durable({ clients: { [doc.clientID]: 6 }, deletes: [] });
    expect(tracker.pendingSince).toBe(NOW);
    tracker.durable(committed(updates[1]!));
    expect(tracker.pendingSince).toBeNull();
  });

  it('puts the parts of a deletion together', () => {
    text.insert(0, 'abcdef');
    tracker.durable(committed(updates[0]!));
    text.delete(0, 6);
    const client = doc.clientID;
    tracker.durable({ clients: {}, deletes: [[client, 2, 2]] });
    tracker.durable({ clients: {}, deletes: [[client, 0, 2]] });
    expect(tracker.pendingSince).toBe(NOW);
    tracker.durable({ clients: {}, deletes: [[client, 4, 2]] });
    expect(tracker.pendingSince).toBeNull();
  });

  it('waits for the deletion of what somebody else wrote', () => {
    const other = new Y.Doc();
    other.getText('source').insert(0, 'theirs');
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(other));
    text.delete(0, 6);
    expect(tracker.pendingSince).toBe(NOW);
    tracker.durable({ clients: {}, deletes: [[other.clientID, 0, 6]] });
    expect(tracker.pendingSince).toBeNull();
  });

  it('does not wait for what others did', () => {
    const other = new Y.Doc();
    other.getText('source').insert(0, 'theirs');
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(other));
    expect(tracker.pendingSince).toBeNull();
  });

  it('follows an undo like any other edit', () => {
    const undo = new Y.UndoManager(text);
    text.insert(0, 'abc');
    tracker.durable(committed(updates[0]!));
    undo.undo();
    expect(tracker.pendingSince).not.toBeNull();
    tracker.durable(committed(updates[1]!));
    expect(tracker.pendingSince).toBeNull();
  });

  it('counts from the oldest edit that is left while typing goes on', () => {
    text.insert(0, 'a');
    now += 1000;
    text.insert(1, 'b');
    tracker.durable(committed(updates[0]!));
    expect(tracker.pendingSince).toBe(NOW + 1000);
  });

  it('tells only when it begins and when it is done', () => {
    let told = 0;
    tracker.changed.connect(() => told++);
    text.insert(0, 'a');
    text.insert(1, 'b');
    expect(told).toBe(1);
    tracker.durable(committed(updates[0]!));
    expect(told).toBe(1);
    tracker.durable(committed(updates[1]!));
    expect(told).toBe(2);
  });

  it('stops with its disposal', () => {
    tracker.dispose();
    text.insert(0, 'a');
    expect(tracker.pendingSince).toBeNull();
  });
});

describe('remaining', () => {
  const deletion = { client: 1, from: 10, to: 20, at: NOW };

  it.each([
    [[1, 0, 10], [[10, 20]]],
    [[1, 20, 5], [[10, 20]]],
    [[2, 10, 10], [[10, 20]]],
    [[1, 10, 10], []],
    [[1, 0, 100], []],
    [[1, 0, 15], [[15, 20]]],
    [[1, 15, 15], [[10, 15]]],
    [
      [1, 12, 3],
      [
        [10, 12],
        [15, 20]
      ]
    ]
  ] as [[number, number, number], number[][]][])('%j leaves %j', (range, left) => {
    expect(remaining([deletion], [range]).map(({ from, to }) => [from, to])).toEqual(
      left
    );
  });

  it('takes several ranges of several clients, in any order', () => {
    const other = { ...deletion, client: 2 };
    const left = remaining(
      [deletion, other],
      [
        [1, 18, 1],
        [2, 0, 50],
        [1, 5, 7],
        [1, 14, 1]
      ]
    );
    expect(left.map(({ client, from, to }) => [client, from, to])).toEqual([
      [1, 12, 14],
      [1, 15, 18],
      [1, 19, 20]
    ]);
  });

  it('is done at once with all that an hour of typing has deleted', () => {
    const keystrokes = 20_000;
    const ranges = Array.from(
      { length: keystrokes },
      (_, n): [number, number, number] => [1, 2 * n, 1]
    );
    const pending = ranges
      .slice(-5_000)
      .map(([client, from]) => ({ client, from, to: from + 1, at: NOW }));
    const began = performance.now();
    expect(remaining(pending, ranges)).toEqual([]);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe('savedStatus', () => {
  it('says saved, saving, then not saved since', () => {
    expect(savedStatus(null, CONNECTED, NOW).state).toBe('saved');
    expect(savedStatus(NOW, CONNECTED, NOW + LATE_MS - 1).state).toBe('saving');
    expect(savedStatus(NOW, CONNECTED, NOW + LATE_MS)).toEqual({
      state: 'unsaved',
      since: NOW
    });
  });

  it('says not saved at once when the store fails', () => {
    const failing = { connected: true, storeFailingSince: NOW };
    expect(savedStatus(NOW, failing, NOW).state).toBe('unsaved');
    expect(savedStatus(null, failing, NOW).state).toBe('saved');
  });

  it('never says saved without a connection', () => {
    const lost = { connected: false, storeFailingSince: null };
    expect(savedStatus(null, lost, NOW).state).toBe('reconnecting');
    expect(savedStatus(NOW, lost, NOW)).toEqual({ state: 'reconnecting', since: NOW });
  });
});

describe('SavedModel', () => {
  it('is saved when all documents are', () => {
    const server = new RoomServer();
    const room = new RoomModel('room_a', server, () => NOW);
    const saved = new SavedModel(room, () => NOW);
    server.hello();
    const [one, two] = [new Y.Doc(), new Y.Doc()];
    saved.follow('doc_1', one, () => undefined);
    saved.follow('doc_2', two, () => undefined);
    expect(saved.status.state).toBe('saved');
    one.getText('source').insert(0, 'a');
    two.getText('source').insert(0, 'b');
    const durable = (document: string, doc: Y.Doc): void => {
      server.wire.send({
        type: 'durable',
        document,
        clients: { [String(doc.clientID)]: 1 },
        deletes: []
      });
    };
    durable('doc_1', one);
    expect(saved.status.state).toBe('saving');
    durable('doc_2', two);
    expect(saved.status.state).toBe('saved');
    server.wire.connect(false);
    expect(saved.status.state).toBe('reconnecting');
  });

  it('has pending edits confirmed again after an interruption', () => {
    jest.useFakeTimers();
    const server = new RoomServer();
    const room = new RoomModel('room_a', server, () => NOW);
    const saved = new SavedModel(room, () => NOW);
    server.hello();
    const doc = new Y.Doc();
    const renewed = jest.fn();
    saved.follow('doc_1', doc, renewed);
    server.wire.connect(false);
    server.hello();
    jest.advanceTimersByTime(LATE_MS);
    expect(renewed.mock.calls).toEqual([[NOW]]);
    doc.getText('source').insert(0, 'a');
    server.wire.connect(false);
    server.hello();
    jest.advanceTimersByTime(LATE_MS);
    expect(renewed.mock.calls).toEqual([[NOW], [NOW], [Infinity]]);
    jest.useRealTimers();
  });

  it('does not connect anew for what is typed after an interruption', () => {
    jest.useFakeTimers();
    let time = NOW;
    const server = new RoomServer();
    const room = new RoomModel('room_a', server, () => time);
    const saved = new SavedModel(room, () => time);
    server.hello();
    const doc = new Y.Doc();
    const renewed = jest.fn();
    saved.follow('doc_1', doc, renewed);
    server.hello();
    time += LATE_MS - 1;
    doc.getText('source').insert(0, 'a');
    jest.advanceTimersByTime(LATE_MS);
    expect(renewed.mock.calls).toEqual([[0]]);
    jest.useRealTimers();
  });
});
