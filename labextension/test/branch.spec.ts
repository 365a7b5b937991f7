import { nullTranslator } from '@jupyterlab/translation';

import type { SavedStatus } from '../src/collab/saved';
import { BranchModel } from '../src/collab/branch';
import { lost } from '../src/collab/BranchView';
import { RoomModel } from '../src/rooms/model';
import type { Room } from '../src/api/types';
import { makeBranch, makeRoom, NOW, RoomServer } from './fixtures';

const trans = nullTranslator.load('');
const main = makeRoom().documents[0];

function allowing(changes: Partial<Room> = {}): Room {
  const room = makeRoom();
  return {
    ...room,
    policy: { ...room.policy, branch: true },
    me: { ...room.me, actions: [...room.me.actions, 'branch'] },
    ...changes
  };
}

function onBranch(room: Room): Room {
  const own = {
    id: 'branch_a',
    path: 'interview.only-you.ipynb',
    kind: 'notebook' as const,
    writable: true,
    branch_of: main?.id ?? ''
  };
  return { ...room, documents: [...room.documents, own] };
}

describe('BranchModel', () => {
  let server: RoomServer;
  let room: RoomModel;
  let reloads: number;
  let status: SavedStatus;

  function open(shown: string | null): BranchModel {
    room = new RoomModel('room_a', server, () => NOW);
    const saved = {
      get status(): SavedStatus {
        return status;
      }
    };
    const branch = new BranchModel(room, saved, shown, () => {
      reloads++;
    });
    server.hello();
    return branch;
  }

  beforeEach(() => {
    server = new RoomServer();
    server.room = allowing();
    reloads = 0;
    status = { state: 'saved', since: null };
  });

  afterEach(() => {
    jest.useRealTimers();
    room.dispose();
  });

  it('begins one of the room’s notebook, and loads its page', async () => {
    const branch = open(null);
    expect(branch.mayBegin).toBe(true);
    await branch.begin();
    expect(server.ownBranches.map(own => own.document)).toEqual([main?.id]);
    expect(reloads).toBe(1);
  });

  it.each([
    ['the host has not allowed it', makeRoom({ me: allowing().me })],
    ['the room or the role does not', allowing({ me: makeRoom().me })]
  ])('offers none if %s', (_, shut) => {
    server.room = shut;
    expect(open(null).mayBegin).toBe(false);
  });

  it.each([
    ['begins', null],
    ['merges', 'branch_a']
  ] as const)('never %s while what was typed cannot be saved', async (deed, shown) => {
    jest.useFakeTimers();
    server.room = shown === null ? allowing() : onBranch(allowing());
    status = { state: 'unsaved', since: NOW };
    const branch = open(shown);
    const doing = deed === 'begins' ? branch.begin() : branch.merge();
    const refused = expect(doing).rejects.toThrow('Not everything you wrote');
    await jest.advanceTimersByTimeAsync(60_000);
    await refused;
    expect(server.ownBranches).toEqual([]);
    expect(server.ended).toEqual([]);
    expect(reloads).toBe(0);
    expect(branch.leaving).toBe(false);
  });

  it('merges only when all that was typed is saved', async () => {
    server.room = onBranch(allowing());
    status = { state: 'saving', since: NOW };
    const branch = open('branch_a');
    const merging = branch.merge();
    await new Promise(resolve => window.setTimeout(resolve, 150));
    expect(server.ended).toEqual([]);
    status = { state: 'saved', since: null };
    await merging;
    expect(server.ended).toEqual([['merge', 'branch_a']]);
    expect(reloads).toBe(1);
  });

  it('stays on the page if a merge is refused', async () => {
    server.room = onBranch(allowing());
    const branch = open('branch_a');
    server.mergeBranch = () => Promise.reject(new Error('no'));
    await expect(branch.merge()).rejects.toThrow('no');
    expect(reloads).toBe(0);
  });

  it('discards', async () => {
    server.room = onBranch(allowing());
    await open('branch_a').discard();
    expect(server.ended).toEqual([['discard', 'branch_a']]);
    expect(reloads).toBe(1);
  });

  it.each([
    ['began one', null, true],
    ['ended it', 'branch_a', false]
  ])(
    'follows another tab that %s, once, and loses nothing',
    async (_, shown, there) => {
      jest.useFakeTimers();
      server.room = there ? allowing() : onBranch(allowing());
      const branch = open(shown);
      expect(reloads).toBe(0);
      status = { state: 'saving', since: NOW };
      const next = there ? onBranch(server.room) : allowing();
      server.wire.send({ type: 'room', room: next });
      server.wire.send({ type: 'room', room: next });
      await jest.advanceTimersByTimeAsync(5_000);
      expect(reloads).toBe(0);
      status = { state: 'saved', since: null };
      await jest.advanceTimersByTimeAsync(5_000);
      expect(reloads).toBe(1);
      expect(branch.leaving).toBe(true);
    }
  );

  it('stays on the room’s notebook until all is saved, however long that takes', async () => {
    jest.useFakeTimers();
    open(null);
    status = { state: 'unsaved', since: NOW };
    server.wire.send({ type: 'room', room: onBranch(allowing()) });
    await jest.advanceTimersByTimeAsync(60_000);
    expect(reloads).toBe(0);
    status = { state: 'saved', since: null };
    server.wire.send({ type: 'room', room: onBranch(allowing()) });
    await jest.advanceTimersByTimeAsync(0);
    expect(reloads).toBe(1);
  });

  it('stays where it is when the interview is over', () => {
    server.room = onBranch(allowing());
    const branch = open('branch_a');
    server.wire.send({ type: 'room', room: allowing({ state: 'ended', version: 2 }) });
    expect(reloads).toBe(0);
    expect(branch.over).toBe(true);
  });

  it('knows of a branch that only another browser can open', async () => {
    server.ownBranches = [makeBranch({ readable: false, changes: null })];
    const branch = open(null);
    await room.ready;
    await new Promise(resolve => window.setTimeout(resolve, 0));
    expect(branch.locked?.id).toBe('branch_a');
    expect(branch.mayBegin).toBe(false);
    await branch.discard();
    expect(server.ended).toEqual([['discard', 'branch_a']]);
  });
});

describe('what would be lost', () => {
  it('is named', () => {
    expect(lost({ added: 2, changed: 1, removed: 0 }, trans)).toBe(
      'This is lost: 2 new cells, what you wrote in one cell. Nobody can bring it back, neither you nor the host.'
    );
    expect(lost({ added: 0, changed: 0, removed: 1 }, trans)).toContain(
      'that you removed one cell'
    );
  });

  it('may be nothing, or unknown', () => {
    expect(lost({ added: 0, changed: 0, removed: 0 }, trans)).toBe(
      'You have written nothing on it yet.'
    );
    expect(lost(null, trans)).toContain('All that you wrote there is lost.');
  });
});
