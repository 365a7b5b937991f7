import type { Run, Waiting } from '../src/api/types';
import { RoomModel } from '../src/rooms/model';
import { NOW, RoomServer, makeEvent, makePerson, makeRoom, makeRun } from './fixtures';

const NEW_RUN = { document: 'doc_a', cell_id: 'cell_1', source_sha256: '0' };

async function settled(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve));
}

describe('RoomModel', () => {
  let server: RoomServer;
  let room: RoomModel;

  beforeEach(() => {
    server = new RoomServer();
    room = new RoomModel('room_a', server, () => NOW - 5000);
  });

  afterEach(() => {
    room.dispose();
  });

  it('is ready with the first hello', async () => {
    expect(room.room).toBeNull();
    expect(room.may('run')).toBe(false);
    server.people = [makePerson()];
    server.hello();
    await room.ready;
    expect(room.room?.title).toBe('Interview');
    expect(room.may('run')).toBe(true);
    expect(room.may('room:manage')).toBe(false);
    expect(room.people).toHaveLength(1);
  });

  it('goes by the server’s clock', () => {
    server.hello();
    expect(room.now).toBe(NOW);
  });

  it('takes no older state of the room for a newer one', () => {
    server.room = makeRoom({ version: 3 });
    server.hello();
    server.wire.send({ type: 'room', room: makeRoom({ version: 2, state: 'paused' }) });
    expect(room.room?.state).toBe('live');
    server.wire.send({ type: 'room', room: makeRoom({ version: 4, state: 'paused' }) });
    expect(room.room?.state).toBe('paused');
  });

  it('announces the end two minutes ahead', async () => {
    server.hello();
    await room.announceEnd();
    expect(server.states).toEqual([['ended', 120]]);
  });

  it('resolves a run when its message comes', async () => {
    server.hello();
    const run = await room.submit(NEW_RUN);
    const ended = room.ended(run);
    server.wire.send({ type: 'run', run: { ...run, state: 'running' } });
    server.wire.send({
      type: 'run',
      run: { ...run, state: 'done', execution_count: 3 }
    });
    expect((await ended).execution_count).toBe(3);
  });

  it('knows a run that ended before the answer to its submission', async () => {
    server.hello();
    server.submitRun = (): Promise<Run> => {
      server.wire.send({ type: 'run', run: makeRun({ state: 'done' }) });
      return Promise.resolve(makeRun({ state: 'queued' }));
    };
    const run = await room.submit(NEW_RUN);
    expect((await room.ended(run)).state).toBe('done');
    expect(room.run('cell_1')?.state).toBe('done');
  });

  it('asks for a run that ended while there was no connection', async () => {
    server.hello();
    const run = await room.submit(NEW_RUN);
    const ended = room.ended(run);
    server.wire.connect(false);
    server.runs.set(run.id, { ...run, state: 'died', death: 'memory limit' });
    server.hello();
    expect((await ended).death).toBe('memory limit');
  });

  it('keeps the newest run of a cell', () => {
    server.hello([makeRun({ id: 'run_2', accepted_at: '2026-03-04T10:00:09Z' })]);
    server.wire.send({ type: 'run', run: makeRun({ id: 'run_1', state: 'done' }) });
    expect(room.run('cell_1')?.id).toBe('run_2');
  });

  it('has a question until it is answered, by anybody', async () => {
    server.hello();
    const ask = { run_id: 'run_1', prompt: 'Age?', password: false };
    server.wire.send({ type: 'input_request', ...ask });
    expect(room.input?.prompt).toBe('Age?');
    server.wire.send({ type: 'input_done', run_id: 'run_1' });
    expect(room.input).toBeNull();
    server.wire.send({ type: 'input_request', ...ask });
    await room.answerInput('run_1', '42');
    expect(server.answers).toEqual([['run_1', '42']]);
    server.wire.send({ type: 'input_done', run_id: 'run_1' });
    expect(room.input).toBeNull();
  });

  it('keeps the next question of a run when the answer to the one before is late', async () => {
    server.hello();
    const ask = { type: 'input_request', run_id: 'run_1', password: false } as const;
    server.wire.send({ ...ask, prompt: 'Name?' });
    server.answerInput = (): Promise<void> => {
      server.wire.send({ type: 'input_done', run_id: 'run_1' });
      server.wire.send({ ...ask, prompt: 'Age?' });
      return Promise.resolve();
    };
    await room.answerInput('run_1', 'Ada');
    expect(room.input?.prompt).toBe('Age?');
  });

  it('takes a question that is still asked after an interruption for the same one', () => {
    server.hello();
    server.input = { run_id: 'run_1', prompt: 'Name?', password: false };
    server.hello();
    const asked = room.input;
    expect(asked).toEqual(server.input);
    server.input = { ...server.input };
    server.hello();
    expect(room.input).toBe(asked);
    server.input = null;
    server.hello();
    expect(room.input).toBeNull();
  });

  it.each(['more time', 'an interruption'])(
    'knows a run that ended before the answer to %s',
    async cause => {
      server.hello();
      const run = await room.submit(NEW_RUN);
      const ended = room.ended(run);
      const late = Promise.resolve({ ...run, state: 'running' as const });
      server.extendRun = server.run = (): Promise<Run> => late;
      const asked =
        cause === 'more time' ? room.extendRun(run.id, 60) : Promise.resolve();
      if (cause === 'an interruption') {
        server.wire.connect(false);
        server.hello();
      }
      server.wire.send({ type: 'run', run: { ...run, state: 'done' } });
      await asked;
      await settled();
      expect((await ended).state).toBe('done');
      expect(room.run('cell_1')?.state).toBe('done');
      expect(room.busy).toBe(false);
    }
  );

  it('has the timeline in order, without doubles, across reconnections', async () => {
    server.events = [makeEvent(1), makeEvent(2)];
    server.hello();
    server.wire.send({ type: 'event', event: makeEvent(3) });
    await settled();
    expect(room.events.map(event => event.seq)).toEqual([1, 2, 3]);
    server.wire.connect(false);
    server.events = [1, 2, 3, 4].map(seq => makeEvent(seq));
    server.hello();
    await settled();
    expect(room.events.map(event => event.seq)).toEqual([1, 2, 3, 4]);
  });

  it('reads the timeline once it may', async () => {
    const waiting = makeRoom();
    server.room = { ...waiting, me: { ...waiting.me, actions: ['events'] } };
    server.events = [makeEvent(1)];
    server.hello();
    await settled();
    expect(room.events).toHaveLength(0);
    server.wire.send({ type: 'room', room: makeRoom({ version: 2 }) });
    await settled();
    expect(room.events).toHaveLength(1);
  });

  it('tells once of people who wait elsewhere, and forgets who does no more', () => {
    const heard: Waiting[] = [];
    room.somebodyWaits.connect((_, waiting) => heard.push(waiting));
    server.hello();
    const waiting: Waiting = {
      type: 'waiting',
      room_id: 'room_b',
      title: 'Other',
      participant_id: 'person_c',
      name: 'Edsger',
      since: '2026-03-04T09:59:00Z'
    };
    server.wire.send({ type: 'elsewhere', waiting: [waiting] });
    server.wire.send({ type: 'elsewhere', waiting: [waiting] });
    expect(room.waitingElsewhere).toEqual([waiting]);
    expect(heard).toEqual([waiting]);
    server.wire.send({ type: 'elsewhere', waiting: [] });
    expect(room.waiting).toEqual([]);
  });

  it('tells a host of who opens the lobby, again when they come back', () => {
    const heard: string[] = [];
    room.somebodyWaits.connect((_, waiting) => heard.push(waiting.name));
    server.room = makeRoom({
      me: { ...makeRoom().me, role: 'host', actions: ['room:manage'] }
    });
    server.hello();
    const here = makePerson();
    server.wire.send({ type: 'participants', participants: [here] });
    server.wire.send({ type: 'participants', participants: [here] });
    expect(heard).toEqual(['Grace']);
    server.wire.send({
      type: 'participants',
      participants: [{ ...here, present: false }]
    });
    expect(room.waiting).toEqual([]);
    server.wire.send({ type: 'participants', participants: [here] });
    expect(heard).toEqual(['Grace', 'Grace']);
  });

  it('says why its seat was closed, and stops listening', () => {
    server.hello();
    server.wire.send({ type: 'seat_closed', reason: 'moved to another device' });
    expect(room.closedReason).toBe('moved to another device');
    expect(server.wire.isDisposed).toBe(true);
  });

  it('knows since when it has been offline', () => {
    expect(room.offlineSince).toBe(NOW - 5000);
    server.hello();
    expect(room.offlineSince).toBeNull();
  });
});
