/** The dashboard in the host's own JupyterLab: launcher card, commands, bell. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import {
  ICommandPalette,
  MainAreaWidget,
  Notification,
  WidgetTracker
} from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator } from '@jupyterlab/translation';

import { Client } from '../api/client';
import { ApiError } from '../api/errors';
import { IAnnouncer } from '../tokens';
import { interviewIcon } from '../ui/icons';
import { Dashboard } from './Dashboard';
import { WaitingNotices } from './notices';
import { RoomsModel } from './roomsModel';

const OPEN = 'interview:open-dashboard';
const CREATE = 'interview:create';
/** Milliseconds after which a message about somebody who waits goes away by itself. */
const MESSAGE_MS = 60_000;

export const dashboardPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:dashboard',
  description: 'Lists, creates and opens interviews.',
  autoStart: true,
  requires: [IAnnouncer, IDocumentManager, ITranslator],
  optional: [ILauncher, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    announcer: IAnnouncer,
    documents: IDocumentManager,
    translator: ITranslator,
    launcher: ILauncher | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ): void => {
    const trans = translator.load('jupyter_interview_rooms');
    const api = new Client(
      URLExt.join(PageConfig.getBaseUrl(), 'interview/api'),
      app.serviceManager.serverSettings
    );
    const model = new RoomsModel(api);
    const tracker = new WidgetTracker<MainAreaWidget<Dashboard>>({
      namespace: 'interview-dashboard'
    });

    const chooseFiles = async (notebooks: boolean): Promise<string[]> => {
      const result = await FileDialog.getOpenFiles({
        manager: documents,
        title: notebooks
          ? trans.__('Choose the notebook')
          : trans.__('Choose data files'),
        filter: file =>
          !notebooks || ['notebook', 'directory'].includes(file.type) ? {} : null
      });
      const chosen = result.value ?? [];
      return chosen.filter(file => file.type !== 'directory').map(file => file.path);
    };
    const open = (url: string): void => {
      // A blocked pop-up must not be a dead end.
      if (window.open(url, '_blank') === null) {
        window.location.assign(url);
      }
    };
    const show = (): Dashboard => {
      let widget = tracker.currentWidget;
      if (widget === null) {
        const content = new Dashboard({ model, actions: { chooseFiles, open }, trans });
        widget = new MainAreaWidget({ content });
        widget.id = 'jp-Interview-dashboard-tab';
        void tracker.add(widget);
      }
      if (!widget.isAttached) {
        app.shell.add(widget, 'main');
      }
      app.shell.activateById(widget.id);
      return widget.content;
    };

    app.commands.addCommand(OPEN, {
      label: args =>
        args.isLauncher === true ? trans.__('Interviews') : trans.__('Show Interviews'),
      caption: trans.__('Create interviews, invite people and let them in'),
      icon: args => (args.isPalette === true ? undefined : interviewIcon),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => {
        show();
      }
    });
    app.commands.addCommand(CREATE, {
      label: trans.__('New Interview…'),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => {
        show().create();
      }
    });
    const category = trans.__('Interviews');
    for (const command of [OPEN, CREATE]) {
      palette?.addItem({ command, category, args: { isPalette: true } });
    }
    launcher?.add({
      command: OPEN,
      category: trans.__('Other'),
      rank: 0,
      args: { isLauncher: true }
    });
    if (restorer) {
      void restorer.restore(tracker, { command: OPEN, name: () => 'dashboard' });
    }

    // The demo's link for the host leads here.
    if (new URLSearchParams(window.location.search).has('interview')) {
      void app.restored.then(show);
    }

    const notices = new WaitingNotices();
    model.somebodyWaits.connect((_, waiting) => {
      const text = trans.__(
        '%1 is waiting to be let into “%2”.',
        waiting.name,
        waiting.title
      );
      announcer.ring();
      announcer.say(text);
      const look: Notification.IAction = {
        label: trans.__('Show'),
        callback: () => {
          show();
        }
      };
      const admit: Notification.IAction = {
        label: trans.__('Admit'),
        displayType: 'accent',
        callback: () => {
          model
            .admit(waiting.room_id, waiting.participant_id)
            .catch((reason: unknown) => {
              Notification.error(ApiError.from(reason).text);
            });
        }
      };
      notices.show(waiting, text, [look, admit], MESSAGE_MS);
    });
    model.changed.connect(() => {
      notices.keep(model.waiting);
    });
  }
};
