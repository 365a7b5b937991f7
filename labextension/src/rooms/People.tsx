/** Who is here, and who waits. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Person } from '../api/types';
import { useAction } from '../ui/hooks';
import { Button, Problem, Section } from '../ui/parts';
import type { RoomModel } from './model';
import { roleName, startsInterview, timeOfDay } from './words';

interface Props {
  model: RoomModel;
  trans: TranslationBundle;
}

/** People in the lobby, with buttons for those who may let them in. */
export function Waiting({ model, trans }: Props): React.ReactElement | null {
  const [act, { busy, error }] = useAction();
  const waiting = model.people.filter(person => person.state === 'waiting');
  if (!waiting.length || !model.may('room:manage')) {
    return null;
  }
  return (
    <Section title={trans.__('Waiting')} className="jp-Interview-Waiting">
      <ul className="jp-Interview-List">
        {waiting.map(person => {
          const starts = startsInterview(model.room, person.role);
          return (
            <li key={person.id} className="jp-Interview-Person">
              <PersonName person={person} trans={trans} />
              <span className="jp-Interview-Person-role">
                {about(
                  person,
                  trans,
                  person.waiting_since &&
                    trans.__('since %1', timeOfDay(Date.parse(person.waiting_since)))
                )}
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
                    act(() => model.admit(person.id));
                  }}
                >
                  {starts ? trans.__('Admit and start') : trans.__('Admit')}
                </Button>
                <Button
                  disabled={busy}
                  label={trans.__('Decline %1', person.name)}
                  onClick={() => {
                    act(() => model.remove(person.id));
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
    </Section>
  );
}

/** People who were admitted: those present first. */
export function People({ model, trans }: Props): React.ReactElement {
  const people = model.people
    .filter(person => person.state === 'admitted')
    .sort((a, b) => Number(b.present) - Number(a.present));
  return (
    <Section title={trans.__('People')}>
      <ul className="jp-Interview-List">
        {people.map(person => (
          <li
            key={person.id}
            className={`jp-Interview-Person ${person.present ? '' : 'jp-mod-away'}`}
          >
            <PersonName person={person} trans={trans} />
            <span className="jp-Interview-Person-role">
              {about(person, trans, model.isTyping(person.id) && trans.__('typing…'))}
            </span>
            {person.focusing && (
              <span
                className="jp-Interview-Focusing"
                title={trans.__('Thinking alone, on a private branch')}
              >
                {trans.__('focusing')}
              </span>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** What stands beside a name. Whoever is called by their role has it said once. */
function about(
  person: Person,
  trans: TranslationBundle,
  since?: string | false | null
): string {
  const role = roleName(person.role, trans);
  return [role !== person.name && role, since, !person.present && trans.__('away')]
    .filter(Boolean)
    .join(' · ');
}

function PersonName(props: {
  person: Person;
  trans: TranslationBundle;
}): React.ReactElement {
  const { person, trans } = props;
  return (
    <>
      <span
        className="jp-Interview-Person-colour"
        style={{ backgroundColor: person.colour }}
        aria-hidden="true"
      />
      <span className="jp-Interview-Person-name">
        {person.name || trans.__('(no name yet)')}
        {person.you && ` (${trans.__('you')})`}
      </span>
    </>
  );
}
