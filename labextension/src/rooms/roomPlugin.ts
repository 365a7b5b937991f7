/** Provides the room of this page. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { Client } from '../api/client';
import { IRoom } from '../tokens';
import { RoomModel } from './model';
import { requireRoomPage } from './page';

export const roomPlugin: JupyterFrontEndPlugin<IRoom> = {
  id: 'jupyter-interview-rooms:room',
  description: 'Provides the interview room that this page shows.',
  autoStart: true,
  provides: IRoom,
  activate: (app: JupyterFrontEnd): IRoom => {
    const page = requireRoomPage();
    const settings = app.serviceManager.serverSettings;
    const api = new Client(page.apiUrl, settings);
    api.requests.takeOver(settings);
    return new RoomModel(page.roomId, api);
  }
};
