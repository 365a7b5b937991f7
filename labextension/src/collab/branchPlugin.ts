/** Provides this person's private branch, and shows its bar where the page is on one. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell } from '@jupyterlab/application';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { ITranslator } from '@jupyterlab/translation';

import { requireRoomPage } from '../rooms/page';
import { IAnnouncer, IBranch, IRoom, ISaved } from '../tokens';
import { BranchModel } from './branch';
import { BranchBar } from './BranchView';

export const branchPlugin: JupyterFrontEndPlugin<IBranch> = {
  id: 'jupyter-interview-rooms:branch',
  description: 'Lets people think alone on a private branch of the notebook.',
  autoStart: true,
  requires: [ILabShell, IRoom, ISaved, IAnnouncer, ITranslator],
  provides: IBranch,
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell,
    room: IRoom,
    saved: ISaved,
    announcer: IAnnouncer,
    translator: ITranslator
  ): IBranch => {
    const trans = translator.load('jupyter_interview_rooms');
    const branch = new BranchModel(room, saved, requireRoomPage().branch, () => {
      window.location.assign(URLExt.join(PageConfig.getBaseUrl(), 'lab'));
    });
    if (branch.shown !== null) {
      document.body.classList.add('jp-Interview-mod-branch');
      shell.add(new BranchBar(branch, trans), 'header', { rank: 2 });
      void app.restored.then(() => {
        announcer.say(trans.__('You are on your own branch: only you see this.'));
      });
    }
    return branch;
  }
};
