/** One line across the page for what everybody must know now. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Room } from '../api/types';
import type { SavedModel } from '../collab/model';
import { growTo } from '../ui/growTo';
import { useSignal, useNow } from '../ui/hooks';
import { Button } from '../ui/parts';
import { clock, countdown } from './countdown';
import type { LostEdits } from './lost';
import type { RoomModel } from './model';
import { readRoomPage } from './page';
import { timeOfDay } from './words';

/** Milliseconds without connection after which the page says so. */
export const OFFLINE_MS = 2_000;

/** What the banner says, and how urgently; null for nothing. */
export interface Notice {
  kind: 'info' | 'warn' | 'end';
  text: string;
  /** Where to go, at the end. */
  link?: { text: string; url: string };
  /** This page has what the server has not: it can be taken from here. */
  keep?: boolean;
}

/**
 * Choose the one thing to say at the time `now` (the browser's clock).
 *
 * @param lostSince - The time of the first edit that the server does not get; see `LostEdits`.
 */
export function notice(
  model: RoomModel,
  now: number,
  trans: TranslationBundle,
  endUrl: string,
  lostSince: number | null
): Notice | null {
  const room = model.room;
  if (model.closedReason !== null) {
    const text = trans.__(
      'This page is no longer part of the interview: %1.',
      model.closedReason
    );
    return withLost({ kind: 'end', text }, lostSince, trans);
  }
  if (room === null) {
    return null;
  }
  if (room.state === 'ended' || room.state === 'archived') {
    return withLost(over(model, room, trans, endUrl), lostSince, trans);
  }
  if (model.offlineSince !== null && now - model.offlineSince >= OFFLINE_MS) {
    return {
      kind: 'warn',
      text: trans.__(
        'No connection to the server; trying again. You can go on writing: it is kept in this page and saved when the connection is back.'
      )
    };
  }
  if (room.ends_at !== null) {
    const left = countdown(room, model.now).remaining ?? 0;
    return {
      kind: 'warn',
      text: trans.__('The interview ends in %1.', clock(Math.max(0, left)))
    };
  }
  if (room.state === 'paused') {
    return {
      kind: 'info',
      text: model.may('document:write')
        ? trans.__(
            'The interview is paused: the candidate can read, not edit; the sandbox is frozen, and nobody can run cells.'
          )
        : trans.__(
            'The interview is paused. You can read; editing and running go on when it is resumed.'
          )
    };
  }
  if (model.storeFailingSince !== null) {
    return {
      kind: 'warn',
      text: trans.__(
        'The server cannot save right now. You can go on writing: it is kept in this page until the server can.'
      )
    };
  }
  if (model.sandbox && !model.sandbox.engine.available && model.may('run')) {
    const { message, hint } = model.sandbox.engine;
    return {
      kind: 'info',
      text:
        room.me.role === 'candidate'
          ? trans.__('Cells cannot run right now: %1', message)
          : trans.__('Cells cannot run: %1 %2', message, hint)
    };
  }
  return null;
}

function over(
  model: RoomModel,
  room: Room,
  trans: TranslationBundle,
  endUrl: string
): Notice {
  if (room.me.role === 'candidate') {
    const alone = readRoomPage()?.branch != null;
    return {
      kind: 'end',
      text: alone
        ? trans.__('Thank you! What was saved in the room’s notebook has been kept.')
        : trans.__(
            'The interview is over. Thank you! Everything that was saved has been kept; it can no longer be changed or run.'
          ),
      link: { text: trans.__('Your notebook and what was recorded'), url: endUrl }
    };
  }
  const notebook = room.documents.find(document => document.kind === 'notebook');
  return {
    kind: 'end',
    text: trans.__(
      'The interview is over. Its notebook and record are kept; nothing can be changed or run.'
    ),
    ...(notebook && model.may('copy:keep')
      ? {
          link: {
            text: trans.__('Download the notebook'),
            url: model.copyUrl(notebook.id)
          }
        }
      : {})
  };
}

/** Say first what the server has not got. */
function withLost(
  notice: Notice,
  since: number | null,
  trans: TranslationBundle
): Notice {
  if (since === null) {
    return notice;
  }
  const lost = trans.__(
    'What you wrote since %1 did not reach the server; it is in this page only.',
    timeOfDay(since)
  );
  return { ...notice, kind: 'warn', text: `${lost} ${notice.text}`, keep: true };
}

export class Banner extends ReactWidget {
  constructor(
    private readonly _model: RoomModel,
    private readonly _saved: SavedModel,
    private readonly _lost: LostEdits,
    private readonly _trans: TranslationBundle,
    private readonly _endUrl: string,
    private readonly _keep: () => void
  ) {
    super();
    this.id = 'jp-Interview-banner';
    this.addClass('jp-Interview-Banner-host');
  }

  protected override render(): React.ReactElement {
    return (
      <Line
        model={this._model}
        saved={this._saved}
        lost={this._lost}
        trans={this._trans}
        endUrl={this._endUrl}
        keep={this._keep}
        onHeight={height => {
          growTo(this, height);
        }}
      />
    );
  }
}

function Line(props: {
  model: RoomModel;
  saved: SavedModel;
  lost: LostEdits;
  trans: TranslationBundle;
  endUrl: string;
  keep: () => void;
  onHeight: (height: number) => void;
}): React.ReactElement | null {
  const { model, saved, lost, trans, endUrl, keep, onHeight } = props;
  useSignal(model.changed);
  useSignal(saved.changed);
  const said = notice(model, useNow(), trans, endUrl, lost.since);
  const line = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    onHeight(line.current?.offsetHeight ?? 0);
  });
  if (said === null) {
    return null;
  }
  return (
    <div className="jp-Interview-Banner" data-kind={said.kind} ref={line}>
      {said.text}
      {said.keep && (
        <Button kind="accept" onClick={keep}>
          {trans.__('Download the notebook as it is in this page')}
        </Button>
      )}
      {said.link && (
        <a className="jp-Interview-Banner-link" href={said.link.url}>
          {said.link.text}
        </a>
      )}
    </div>
  );
}
