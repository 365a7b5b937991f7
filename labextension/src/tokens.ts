/** What the plugins of this package give each other. */

import { Token } from '@lumino/coreutils';

import type { Uplink } from './api/uplink';
import type { BranchModel } from './collab/branch';
import type { SavedModel } from './collab/model';
import type { RoomModel } from './rooms/model';
import type { Announcer } from './rooms/announcer';

export const IUplink = new Token<Uplink>(
  'jupyter-interview-rooms:IUplink',
  'What goes from this page to its server.'
);
export type IUplink = Uplink;

/** The room of this page. There is none in the host's own JupyterLab. */
export const IRoom = new Token<RoomModel>(
  'jupyter-interview-rooms:IRoom',
  'The interview room that this page shows.'
);
export type IRoom = RoomModel;

export const ISaved = new Token<SavedModel>(
  'jupyter-interview-rooms:ISaved',
  'What of the own edits in this page is saved.'
);
export type ISaved = SavedModel;

export const IBranch = new Token<BranchModel>(
  'jupyter-interview-rooms:IBranch',
  'The private branch of whoever sits here.'
);
export type IBranch = BranchModel;

export const IAnnouncer = new Token<Announcer>(
  'jupyter-interview-rooms:IAnnouncer',
  'Says things to screen readers, and rings.'
);
export type IAnnouncer = Announcer;
