/** Provides the room of this page. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { Client } from '../api/client';
import { IRoom, IUplink } from '../tokens';
import { RoomModel } from './model';
import { requireRoomPage } from './page';

export const roomPlugin: JupyterFrontEndPlugin<IRoom> = {
  id: 'jupyter-interview-rooms:room',
  description: 'Provides the interview room that this page shows.',
  autoStart: true,
  requires: [IUplink],
  provides: IRoom,
  activate: (app: JupyterFrontEnd, uplink: IUplink): IRoom => {
    const page = requireRoomPage();
    const api = new Client(page.apiUrl, app.serviceManager.serverSettings, uplink);
    return new RoomModel(page.roomId, api);
  }
};
