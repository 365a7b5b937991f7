/** The room's state and clock, and the buttons that lead it through its life. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { useAction, useNow } from '../ui/hooks';
import { Button, Problem } from '../ui/parts';
import { clock, countdown } from './countdown';
import type { RoomModel } from './model';
import { stateName } from './words';

interface Props {
  model: RoomModel;
  trans: TranslationBundle;
}

/** Title, state, and how long it has been and will be. */
export function Heading({ model, trans }: Props): React.ReactElement | null {
  useNow();
  const room = model.room;
  if (room === null) {
    return null;
  }
  const time = countdown(room, model.now);
  return (
    <header className="jp-Interview-Heading">
      <h2 className="jp-Interview-Heading-title" title={room.title}>
        {room.title}
      </h2>
      <span className="jp-Interview-State" data-state={room.state}>
        {stateName(room.state, trans)}
      </span>
      {time.elapsed !== null && (
        <span className="jp-Interview-Clock">
          <span title={trans.__('Time since the start')}>{clock(time.elapsed)}</span>
          {time.remaining !== null && (
            <span
              className={time.remaining < 0 || time.ending ? 'jp-mod-late' : ''}
              title={trans.__('Time to the planned end')}
            >
              {time.remaining >= 0
                ? trans.__('%1 left', clock(time.remaining))
                : trans.__('%1 over', clock(-time.remaining))}
            </span>
          )}
        </span>
      )}
      {time.untilStart !== null && (
        <span className="jp-Interview-Clock">
          {time.untilStart > 0
            ? trans.__('planned to begin in %1', clock(time.untilStart))
            : trans.__('planned to have begun %1 ago', clock(-time.untilStart))}
        </span>
      )}
    </header>
  );
}

/** Start, pause, resume, end: for those who may. */
export function Lead({ model, trans }: Props): React.ReactElement | null {
  const [act, { busy, error }] = useAction();
  const room = model.room;
  if (room === null || !model.may('room:manage')) {
    return null;
  }
  const ending = room.ends_at !== null;
  return (
    <div className="jp-Interview-Lead">
      <div
        className="jp-Interview-Buttons"
        role="group"
        aria-label={trans.__('Interview')}
      >
        {(room.state === 'scheduled' || room.state === 'lobby') && (
          <Button
            kind="accept"
            disabled={busy}
            onClick={() => {
              act(() => model.setState('live'));
            }}
          >
            {trans.__('Start')}
          </Button>
        )}
        {room.state === 'live' && !ending && (
          <Button
            disabled={busy}
            onClick={() => {
              act(() => model.setState('paused'));
            }}
          >
            {trans.__('Pause')}
          </Button>
        )}
        {room.state === 'paused' && (
          <Button
            kind="accept"
            disabled={busy}
            onClick={() => {
              act(() => model.setState('live'));
            }}
          >
            {trans.__('Resume')}
          </Button>
        )}
        {ending && room.state === 'live' && (
          <Button
            kind="accept"
            disabled={busy}
            onClick={() => {
              act(() => model.setState('live'));
            }}
          >
            {trans.__('Go on')}
          </Button>
        )}
        {!['ended', 'archived'].includes(room.state) && (
          <Button
            kind="warn"
            disabled={busy}
            onClick={() => {
              act(() => end(model, trans));
            }}
          >
            {ending ? trans.__('End now…') : trans.__('End…')}
          </Button>
        )}
      </div>
      {error && <Problem text={error} />}
    </div>
  );
}

async function end(model: RoomModel, trans: TranslationBundle): Promise<void> {
  const warned = model.room?.ends_at != null;
  const canWarn = model.room?.state === 'live' && !warned;
  const result = await showDialog({
    title: trans.__('End the interview?'),
    body: canWarn
      ? trans.__(
          'With two minutes’ warning, everybody sees a countdown and can finish their sentence. After the end nobody can edit or run cells; the notebook and the record are kept.'
        )
      : trans.__(
          'Nobody can edit or run cells after the end; the notebook and the record are kept.'
        ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('End now'), actions: ['now'] }),
      ...(canWarn
        ? [
            Dialog.okButton({
              label: trans.__('End in two minutes'),
              actions: ['warn']
            })
          ]
        : [])
    ]
  });
  if (result.button.actions.includes('now')) {
    await model.setState('ended');
  } else if (result.button.actions.includes('warn')) {
    await model.announceEnd();
  }
}
