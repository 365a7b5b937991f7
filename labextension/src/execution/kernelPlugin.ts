/** The room's one kernel: no picker, restarts are asked for and go to the room. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISessionContextDialogs, Notification } from '@jupyterlab/apputils';
import { ITranslator } from '@jupyterlab/translation';

import { ApiError } from '../api/errors';
import { IRoom } from '../tokens';
import { confirmRestart } from './SandboxView';

export const kernelPlugin: JupyterFrontEndPlugin<ISessionContextDialogs> = {
  id: 'jupyter-interview-rooms:kernel',
  description: 'Restarts the room’s kernel; there is no other one to choose.',
  autoStart: true,
  requires: [IRoom, ITranslator],
  provides: ISessionContextDialogs,
  activate: (
    _: JupyterFrontEnd,
    room: IRoom,
    translator: ITranslator
  ): ISessionContextDialogs => {
    const trans = translator.load('jupyter_interview_rooms');
    return {
      selectKernel: () => Promise.resolve(),
      // The menu, the toolbar, `0 0` and “restart and run all” all come here.
      restart: async (): Promise<boolean> => {
        if (!room.may('run')) {
          Notification.info(trans.__('Right now you cannot restart the kernel.'));
          return false;
        }
        if (!(await confirmRestart(trans))) {
          return false;
        }
        try {
          await room.restartKernel();
          return true;
        } catch (reason) {
          Notification.error(ApiError.from(reason).text);
          return false;
        }
      }
    };
  }
};
