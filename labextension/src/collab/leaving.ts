/** Whether somebody who leaves the page now would lose something. */

import type { RoomModel } from '../rooms/model';
import type { BranchModel } from './branch';
import type { SavedModel } from './model';

const OVER = ['ended', 'archived'];

/**
 * Whether edits of this page wait to be saved that only this page has.
 *
 * At the end and when the seat is closed there is nothing more to wait for: the server takes no
 * more edits, and the page itself says which are lost. Nor does it take an observer's. And a page
 * that goes to or from a branch has waited.
 */
export function mayLose(
  room: Pick<RoomModel, 'closedReason' | 'room'>,
  saved: Pick<SavedModel, 'status'>,
  branch: Pick<BranchModel, 'leaving'>
): boolean {
  const over = room.closedReason !== null || OVER.includes(room.room?.state ?? '');
  return (
    saved.status.since !== null &&
    !over &&
    room.room?.me.role !== 'observer' &&
    !branch.leaving
  );
}
