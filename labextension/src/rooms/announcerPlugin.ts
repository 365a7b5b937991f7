/** Provides the live region and the bell; the bell follows the settings. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { IAnnouncer } from '../tokens';
import { Announcer } from './announcer';

const SETTINGS = 'jupyter-interview-rooms:plugin';

export const announcerPlugin: JupyterFrontEndPlugin<IAnnouncer> = {
  id: 'jupyter-interview-rooms:announcer',
  description: 'Tells screen readers what happens in interviews, and rings.',
  autoStart: true,
  optional: [ISettingRegistry],
  provides: IAnnouncer,
  activate: (_: JupyterFrontEnd, settings: ISettingRegistry | null): IAnnouncer => {
    const announcer = new Announcer();
    const follow = (loaded: ISettingRegistry.ISettings): void => {
      announcer.sound = loaded.get('sound').composite !== false;
    };
    settings?.load(SETTINGS).then(
      loaded => {
        follow(loaded);
        loaded.changed.connect(follow);
      },
      () => undefined // Without settings the bell rings.
    );
    return announcer;
  }
};
