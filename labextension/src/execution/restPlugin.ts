/** Tells before a sandbox ends that nobody uses, and lets it be kept. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ITranslator } from '@jupyterlab/translation';

import { ApiError } from '../api/errors';
import { IAnnouncer, IRoom } from '../tokens';
import { restText } from './rest';

export const restPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:rest',
  description: 'Tells whoever may run cells that the sandbox is about to end unused.',
  autoStart: true,
  requires: [IRoom, IAnnouncer, ITranslator],
  activate: (
    _: JupyterFrontEnd,
    room: IRoom,
    announcer: IAnnouncer,
    translator: ITranslator
  ): void => {
    const trans = translator.load('jupyter_interview_rooms');
    let told: string | null = null;
    let shown = '';
    room.changed.connect(() => {
      const restsAt = room.may('run') ? (room.sandbox?.rests_at ?? null) : null;
      if (restsAt === told) {
        return;
      }
      told = restsAt;
      Notification.dismiss(shown);
      if (restsAt === null) {
        return;
      }
      const text = restText(restsAt, trans);
      shown = Notification.warning(text, {
        autoClose: false,
        actions: [
          {
            label: trans.__('Keep it'),
            displayType: 'accent',
            callback: () => {
              room.keepKernel().catch((reason: unknown) => {
                Notification.error(ApiError.from(reason).text);
              });
            }
          }
        ]
      });
      announcer.say(text);
    });
  }
};
