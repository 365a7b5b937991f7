/** Whether this page is a room, and which; from the page config that the door writes. */

import { PageConfig } from '@jupyterlab/coreutils';

import type { Role } from '../api/types';

/** What the door says of the page; everything else comes from the API. */
export interface RoomPage {
  roomId: string;
  participantId: string;
  role: Role;
  /** Path of the API inside the door. */
  apiUrl: string;
  /** Path of the room's notebook in the door's contents. */
  notebookPath: string;
  /** The person's private branch, if that is what the page shows. */
  branch: string | null;
  /** The page in which HTML output runs its own scripts. */
  frameUrl: string;
}

/** Return the room of this page, or null in the host's own JupyterLab. */
export function readRoomPage(): RoomPage | null {
  const option = PageConfig.getOption('interviewRoom');
  return option ? (JSON.parse(option) as RoomPage) : null;
}

/** Return the room of this page. Called by plugins that only rooms have. */
export function requireRoomPage(): RoomPage {
  const page = readRoomPage();
  if (page === null) {
    throw new Error('This page is not a room.');
  }
  return page;
}
