/** One line across the page for what everybody must know now. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Room } from '../api/types';
import { growTo } from '../ui/growTo';
import { useSignal, useNow } from '../ui/hooks';
import { clock, countdown } from './countdown';
import type { RoomModel } from './model';
import { readRoomPage } from './page';

/** Milliseconds without connection after which the page says so. */
const OFFLINE_MS = 2_000;

/** What the banner says, and how urgently; null for nothing. */
export interface Notice {
  kind: 'info' | 'warn' | 'end';
  text: string;
  /** Where to go, at the end. */
  link?: { text: string; url: string };
}

/** Choose the one thing to say at the time `now` (the browser's clock). */
export function notice(
  model: RoomModel,
  now: number,
  trans: TranslationBundle,
  endUrl: string
): Notice | null {
  const room = model.room;
  if (model.closedReason !== null) {
    return {
      kind: 'end',
      text: trans.__(
        'This page is no longer part of the interview: %1.',
        model.closedReason
      )
    };
  }
  if (room === null) {
    return null;
  }
  if (room.state === 'ended' || room.state === 'archived') {
    return over(model, room, trans, endUrl);
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
        ? trans.__('Thank you! What you wrote in the room’s notebook has been kept.')
        : trans.__(
            'The interview is over. Thank you! Everything you wrote has been kept; it can no longer be changed or run.'
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

export class Banner extends ReactWidget {
  constructor(
    private readonly _model: RoomModel,
    private readonly _trans: TranslationBundle,
    private readonly _endUrl: string
  ) {
    super();
    this.id = 'jp-Interview-banner';
    this.addClass('jp-Interview-Banner-host');
  }

  protected override render(): React.ReactElement {
    return (
      <Line
        model={this._model}
        trans={this._trans}
        endUrl={this._endUrl}
        onHeight={height => {
          growTo(this, height);
        }}
      />
    );
  }
}

function Line(props: {
  model: RoomModel;
  trans: TranslationBundle;
  endUrl: string;
  onHeight: (height: number) => void;
}): React.ReactElement | null {
  const { model, trans, endUrl, onHeight } = props;
  useSignal(model.changed);
  const said = notice(model, useNow(), trans, endUrl);
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
      {said.link && (
        <a className="jp-Interview-Banner-link" href={said.link.url}>
          {said.link.text}
        </a>
      )}
    </div>
  );
}
