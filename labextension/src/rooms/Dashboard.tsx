/** The host's interviews: list, people, invites, lobby. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ApiError } from '../api/errors';
import type { Person, Room } from '../api/types';
import { useAction, useSignal, useNow } from '../ui/hooks';
import { interviewIcon } from '../ui/icons';
import { Button, Problem } from '../ui/parts';
import { clock, countdown } from './countdown';
import { Erase } from './Erase';
import { Invites } from './Invites';
import { NewInterview } from './NewInterview';
import { Packages } from './Packages';
import type { RoomEntry, RoomsModel } from './roomsModel';
import { dateAndTime, roleName, startsInterview, stateName, timeOfDay } from './words';

/** What the dashboard asks of the page around it. */
export interface DashboardActions {
  /** Let the host choose files of theirs; their paths, none if they cancel. */
  chooseFiles(notebooks: boolean): Promise<string[]>;
  /** Go to an address in another tab. */
  open(url: string): void;
}

interface Props {
  model: RoomsModel;
  actions: DashboardActions;
  trans: TranslationBundle;
}

export class Dashboard extends ReactWidget {
  constructor(private readonly _props: Props) {
    super();
    const { trans } = _props;
    this.addClass('jp-Interview-Dashboard');
    this.id = 'jp-Interview-dashboard';
    this.title.label = trans.__('Interviews');
    this.title.caption = trans.__('Interviews');
    this.title.icon = interviewIcon;
    this.title.closable = true;
    this.node.tabIndex = -1;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Interviews'));
  }

  /** Open the form that creates an interview. */
  create(): void {
    this._creating = true;
    this.update();
  }

  protected override render(): React.ReactElement {
    return (
      <Content
        {...this._props}
        creating={this._creating}
        onCreating={creating => {
          this._creating = creating;
          this.update();
        }}
      />
    );
  }

  private _creating = false;
}

function Content(
  props: Props & { creating: boolean; onCreating: (creating: boolean) => void }
): React.ReactElement {
  const { model, actions, trans, creating, onCreating } = props;
  useSignal(model.changed);
  const failure = model.failure === null ? '' : ApiError.from(model.failure).text;
  return (
    <div className="jp-Interview-Dashboard-content">
      <div className="jp-Interview-Dashboard-top">
        <h1>{trans.__('Interviews')}</h1>
        {!creating && (
          <Button
            kind="accept"
            onClick={() => {
              onCreating(true);
            }}
          >
            {trans.__('New interview…')}
          </Button>
        )}
      </div>
      {creating && (
        <NewInterview
          model={model}
          trans={trans}
          chooseFiles={actions.chooseFiles}
          onDone={() => {
            onCreating(false);
          }}
        />
      )}
      {failure && <Problem text={failure} />}
      {!model.loaded && <p>{trans.__('Loading…')}</p>}
      {model.loaded && !failure && model.entries.length === 0 && !creating && (
        <p className="jp-Interview-Empty">
          {trans.__(
            'No interviews yet. Create one, send the candidate their link, and let them in when they wait.'
          )}
        </p>
      )}
      <ul className="jp-Interview-Cards">
        {model.entries.map(entry => (
          <Card
            key={entry.room.id}
            entry={entry}
            model={model}
            actions={actions}
            trans={trans}
          />
        ))}
      </ul>
    </div>
  );
}

function Card(props: Props & { entry: RoomEntry }): React.ReactElement {
  const { model, actions, trans, entry } = props;
  const { room, people } = entry;
  const [act, { busy, error }] = useAction();
  const heading = React.useId();
  const over = room.state === 'ended' || room.state === 'archived';
  return (
    <li>
      <article className="jp-Interview-Card" aria-labelledby={heading}>
        <header className="jp-Interview-Card-top">
          <h2 id={heading}>{room.title}</h2>
          <span className="jp-Interview-State" data-state={room.state}>
            {stateName(room.state, trans)}
          </span>
          <RoomTime model={model} room={room} trans={trans} />
          <span className="jp-Interview-Buttons">
            <Button
              kind={over ? 'plain' : 'accept'}
              disabled={busy}
              label={
                over
                  ? trans.__('Look at it: %1', room.title)
                  : trans.__('Enter %1', room.title)
              }
              onClick={() => {
                act(async () => {
                  actions.open(await model.enter(room.id));
                });
              }}
            >
              {over ? trans.__('Look at it') : trans.__('Enter')}
            </Button>
            {!over && room.live_at !== null && (
              <Button
                disabled={busy}
                label={trans.__('End %1', room.title)}
                onClick={() => {
                  act(() => end(model, room, trans));
                }}
              >
                {trans.__('End…')}
              </Button>
            )}
            {(over || room.live_at === null) && (
              <Button
                disabled={busy || room.legal_hold}
                label={trans.__('Delete %1', room.title)}
                onClick={() => {
                  act(() => remove(model, room, trans));
                }}
              >
                {trans.__('Delete…')}
              </Button>
            )}
          </span>
        </header>
        {error && <Problem text={error} />}
        <Packages model={model} room={room} trans={trans} />
        <Lobby {...props} />
        <p className="jp-Interview-Card-people">
          {people
            .filter(person => person.state === 'admitted')
            .map(person => (
              <Chip key={person.id} person={person} trans={trans} />
            ))}
        </p>
        {over && <Erase model={model} entry={entry} trans={trans} />}
        {!over && <Invites model={model} entry={entry} trans={trans} />}
      </article>
    </li>
  );
}

function Chip(props: { person: Person; trans: TranslationBundle }): React.ReactElement {
  const { person, trans } = props;
  return (
    <span className={`jp-Interview-Chip ${person.present ? '' : 'jp-mod-away'}`}>
      <span
        className="jp-Interview-Person-colour"
        style={{ backgroundColor: person.colour }}
        aria-hidden="true"
      />
      {person.name} · {roleName(person.role, trans)}
      {person.present && ` · ${trans.__('here')}`}
    </span>
  );
}

function Lobby(props: Props & { entry: RoomEntry }): React.ReactElement | null {
  const { model, actions, trans, entry } = props;
  const { room, people } = entry;
  const [act, { busy, error }] = useAction();
  const waiting = people.filter(person => person.state === 'waiting');
  if (!waiting.length) {
    return null;
  }
  return (
    <div className="jp-Interview-Lobby" role="group" aria-label={trans.__('Waiting')}>
      <ul className="jp-Interview-List">
        {waiting.map(person => {
          const starts = startsInterview(room, person.role);
          return (
            <li key={person.id} className="jp-Interview-Person">
              <span className="jp-Interview-Person-name">
                {trans.__('%1 is waiting', person.name)}
              </span>
              <span className="jp-Interview-Person-role">
                {roleName(person.role, trans)}
                {person.waiting_since &&
                  ` · ${trans.__('since %1', timeOfDay(Date.parse(person.waiting_since)))}`}
                {!person.present && ` · ${trans.__('away')}`}
              </span>
              <span className="jp-Interview-Buttons">
                <Button
                  kind="accept"
                  disabled={busy}
                  label={
                    starts
                      ? trans.__('Admit and start: %1', person.name)
                      : trans.__('Admit %1', person.name)
                  }
                  onClick={() => {
                    act(async () => {
                      await model.admit(room.id, person.id);
                      if (starts && !people.some(other => other.you && other.present)) {
                        actions.open(await model.enter(room.id));
                      }
                    });
                  }}
                >
                  {starts ? trans.__('Admit and start') : trans.__('Admit')}
                </Button>
                <Button
                  disabled={busy}
                  label={trans.__('Decline %1', person.name)}
                  onClick={() => {
                    act(() => model.remove(room.id, person.id));
                  }}
                >
                  {trans.__('Decline')}
                </Button>
              </span>
            </li>
          );
        })}
      </ul>
      {error && <Problem text={error} />}
    </div>
  );
}

function RoomTime(props: {
  model: RoomsModel;
  room: Room;
  trans: TranslationBundle;
}): React.ReactElement {
  const { model, room, trans } = props;
  useNow();
  const time = countdown(room, model.now);
  return (
    <span className="jp-Interview-Card-time">
      <time dateTime={room.starts_at}>{dateAndTime(room.starts_at)}</time>
      {' · '}
      {trans.__('%1 min', Math.round(room.duration_s / 60))}
      {time.elapsed !== null &&
        ` · ${
          room.ended_at === null
            ? trans.__('live for %1', clock(time.elapsed))
            : trans.__('lasted %1', clock(time.elapsed))
        }`}
    </span>
  );
}

async function end(
  model: RoomsModel,
  room: Room,
  trans: TranslationBundle
): Promise<void> {
  const result = await showDialog({
    title: trans.__('End “%1” now?', room.title),
    body: trans.__(
      'Nobody can edit or run cells after the end; the notebook and the record are kept. Inside the room you can end it with two minutes’ warning instead.'
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('End now') })
    ]
  });
  if (result.button.accept) {
    await model.setState(room.id, 'ended');
  }
}

async function remove(
  model: RoomsModel,
  room: Room,
  trans: TranslationBundle
): Promise<void> {
  const result = await showDialog({
    title: trans.__('Delete “%1”?', room.title),
    body: trans.__(
      'The notebook, the people, their links and the whole record are gone for good. The exported notebook file stays in your folder.'
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep it') }),
      Dialog.warnButton({ label: trans.__('Delete') })
    ],
    defaultButton: 0
  });
  if (result.button.accept) {
    await model.delete(room.id);
  }
}
