import type { SavedStatus } from '../src/collab/saved';
import { mayLose } from '../src/collab/leaving';
import { leavingPlugin } from '../src/collab/leavingPlugin';
import type { Role, RoomState } from '../src/api/types';
import { makeRoom, NOW } from './fixtures';

const SAVED: SavedStatus = { state: 'saved', since: null };
const PENDING: SavedStatus = { state: 'saving', since: NOW };

function seat(
  changes: { state?: RoomState; role?: Role; closedReason?: string } = {}
): Parameters<typeof mayLose>[0] {
  const { state = 'live', role = 'candidate', closedReason = null } = changes;
  const room = makeRoom({ state });
  return { closedReason, room: { ...room, me: { ...room.me, role } } };
}

describe('whether leaving loses something', () => {
  it.each([
    ['edits wait to be saved', PENDING, true],
    ['they wait for a connection', { state: 'reconnecting', since: NOW }, true],
    ['all is saved', SAVED, false],
    ['nothing waits for a connection', { state: 'reconnecting', since: null }, false]
  ] as [string, SavedStatus, boolean][])('if %s', (_, status, lost) => {
    expect(mayLose(seat(), { status }, { leaving: false })).toBe(lost);
  });

  it.each([
    ['the interview is over', seat({ state: 'ended' }), false],
    ['the seat was closed', seat({ closedReason: 'moved to another device' }), false],
    ['nothing of theirs is ever saved', seat({ role: 'observer' }), false],
    ['the page goes to a branch', seat(), true]
  ] as const)('never if %s', (_, room, leaving) => {
    expect(mayLose(room, { status: PENDING }, { leaving })).toBe(false);
  });

  it('decides whether the browser asks', () => {
    const saved = { status: PENDING };
    const activate = leavingPlugin.activate as (...parts: unknown[]) => void;
    activate({}, seat(), saved, { leaving: false });
    const asks = (): boolean =>
      !window.dispatchEvent(new Event('beforeunload', { cancelable: true }));
    expect(asks()).toBe(true);
    saved.status = SAVED;
    expect(asks()).toBe(false);
  });
});
