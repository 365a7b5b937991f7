/** Shows the room: panel, banner, and what is said aloud. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';

import { ApiError } from '../api/errors';
import { RUN_ABOVE } from '../execution/againPlugin';
import { IAnnouncer, IBranch, IRoom, ISaved } from '../tokens';
import { Banner, notice } from './Banner';
import { downloadNotebook } from './download';
import { LostEdits } from './lost';
import { RoomPanel } from './panel';
import { Narrator } from './narrator';
import { WaitingNotices } from './notices';
import { UnseenChat } from './unseen';
import { payloadText, startsInterview } from './words';

/** Milliseconds between the end and the page about it. */
const LEAVE_MS = 10_000;
/** Milliseconds after which a message about another room goes away by itself. */
const ELSEWHERE_MS = 15_000;
/** Milliseconds after which a line of chat that came up goes away by itself. */
const LINE_MS = 10_000;
/** Pixels of width below which the panel would leave no room to write. */
const NARROW_PX = 700;
/** Milliseconds between two looks at what the sandbox uses. */
const MEASURE_MS = 4_000;

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-interview-rooms:panel',
  description: 'Shows people, state, sandbox and chat of the interview.',
  autoStart: true,
  requires: [
    ILabShell,
    IRoom,
    ISaved,
    IBranch,
    IAnnouncer,
    INotebookTracker,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell,
    room: IRoom,
    saved: ISaved,
    branch: IBranch,
    announcer: IAnnouncer,
    notebooks: INotebookTracker,
    translator: ITranslator
  ): void => {
    const trans = translator.load('jupyter_interview_rooms');
    // Below the notebook, so that both can be seen.
    const openNotes = async (path: string): Promise<void> => {
      const notes = (await app.commands.execute('docmanager:open', {
        path,
        factory: 'Editor'
      })) as Widget | undefined;
      if (notes === undefined) {
        return;
      }
      if (![...shell.widgets('down')].includes(notes)) {
        shell.add(notes, 'down');
      }
      shell.activateById(notes.id);
    };
    const lost = new LostEdits(room, saved);
    const panel = new RoomPanel(room, saved, lost, branch, trans, {
      openNotes,
      runAbove: async () => {
        await app.commands.execute(RUN_ABOVE);
      }
    });
    shell.add(panel, 'right', { rank: 1 });
    const endUrl = URLExt.join(PageConfig.getBaseUrl(), 'end');
    const keep = (): void => {
      notebooks.forEach(downloadNotebook);
    };
    const banner = new Banner(room, saved, lost, trans, endUrl, keep);
    shell.add(banner, 'header', { rank: 1 });
    void app.restored.then(() => {
      if (window.innerWidth >= NARROW_PX) {
        shell.activateById(panel.id);
      }
    });

    // Nobody looks at the meters of a page that is not in front.
    window.setInterval(() => {
      if (panel.isVisible && document.visibilityState === 'visible') {
        void room.measure();
      }
    }, MEASURE_MS);

    /** Go there, unless this page has something that nobody else has. */
    const leave = (url: string): void => {
      if (lost.since === null) {
        window.location.assign(url);
        return;
      }
      const said = notice(room, Date.now(), trans, endUrl, lost.since);
      announcer.say(said?.text ?? '', { urgent: true });
    };
    // The candidate's own page at the end; there is time to read the banner first.
    let leaving = 0;
    room.changed.connect(() => {
      if (room.closedReason !== null) {
        // Nothing works here any more; the door says why, and what one can do.
        leave(PageConfig.getBaseUrl());
        return;
      }
      const over = room.room?.state === 'ended' && !room.may('document:read');
      if (over && leaving === 0) {
        leaving = window.setTimeout(() => {
          leave(endUrl);
        }, LEAVE_MS);
      }
    });

    const narrator = new Narrator(room, trans);
    narrator.said.connect((_, { text, urgent }) => {
      announcer.say(text, { urgent });
    });
    const unseen = new UnseenChat(room, () => panel.isVisible);
    unseen.came.connect((_, event) => {
      const line = trans.__(
        '%1 wrote: %2',
        room.people.find(person => person.id === event.actor)?.name ??
          payloadText(event, 'name'),
        payloadText(event, 'text')
      );
      announcer.say(line);
      Notification.info(line, { autoClose: LINE_MS });
    });
    unseen.changed.connect(() => {
      panel.markUnseen(unseen.count);
    });
    panel.shown.connect(() => {
      unseen.seen();
    });
    const notices = new WaitingNotices();
    room.somebodyWaits.connect((_, waiting) => {
      announcer.ring();
      const here = waiting.room_id === room.id;
      const text = here
        ? trans.__('%1 is waiting to be let in.', waiting.name)
        : trans.__('%1 is waiting in “%2”.', waiting.name, waiting.title);
      const begins = startsInterview(
        room.room,
        room.people.find(person => person.id === waiting.participant_id)?.role
      );
      const admit: Notification.IAction = {
        label: begins ? trans.__('Admit and start') : trans.__('Admit'),
        displayType: 'accent',
        callback: () => {
          room.admit(waiting.participant_id).catch((reason: unknown) => {
            Notification.error(ApiError.from(reason).text);
          });
        }
      };
      notices.show(waiting, text, here ? [admit] : [], here ? false : ELSEWHERE_MS);
    });
    room.changed.connect(() => {
      notices.keep(room.waiting);
    });
  }
};
