/** Chat, and the list of what was recorded. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { useAction } from '../ui/hooks';
import { Button, Problem, Section } from '../ui/parts';
import type { RoomModel } from './model';
import { eventText, payloadText, timeOfDay } from './words';

interface Props {
  model: RoomModel;
  trans: TranslationBundle;
}

const MAX_MESSAGE = 2000;

export function Chat({ model, trans }: Props): React.ReactElement | null {
  const [act, { busy, error }] = useAction();
  const [text, setText] = React.useState('');
  const list = React.useRef<HTMLOListElement>(null);
  const lines = model.events.filter(event => event.kind === 'chat');
  React.useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [lines.length]);
  const send = (): void => {
    const line = text.trim();
    if (line && !busy) {
      act(async () => {
        await model.say(line);
        setText('');
      });
    }
  };
  if (!lines.length && !model.may('chat')) {
    return null;
  }
  return (
    <Section title={trans.__('Chat')} className="jp-Interview-Chat">
      <ol className="jp-Interview-Chat-lines" ref={list} aria-live="polite">
        {lines.map(event => {
          const person = model.people.find(other => other.id === event.actor);
          return (
            <li key={event.seq}>
              <span
                className="jp-Interview-Person-colour"
                style={{ backgroundColor: person?.colour }}
                aria-hidden="true"
              />
              <strong>{person?.name ?? payloadText(event, 'name')}</strong>{' '}
              <time dateTime={event.at}>{timeOfDay(Date.parse(event.at))}</time>
              <div className="jp-Interview-Chat-text" dir="auto">
                {event.payload ? payloadText(event, 'text') : trans.__('(erased)')}
              </div>
            </li>
          );
        })}
      </ol>
      {model.may('chat') && (
        <form
          className="jp-Interview-Chat-form"
          onSubmit={event => {
            event.preventDefault();
            send();
          }}
        >
          <input
            type="text"
            className="jp-mod-styled"
            maxLength={MAX_MESSAGE}
            value={text}
            placeholder={trans.__('To everybody')}
            aria-label={trans.__('Message to everybody')}
            onChange={event => {
              setText(event.target.value);
            }}
          />
          <Button disabled={busy || !text.trim()} onClick={send}>
            {trans.__('Send')}
          </Button>
        </form>
      )}
      {error && <Problem text={error} />}
    </Section>
  );
}

/** All that was recorded, as far as one may see it: a candidate sees all about them. */
export function Record({ model, trans }: Props): React.ReactElement | null {
  const [open, setOpen] = React.useState(false);
  if (!model.may('timeline:read')) {
    return null;
  }
  const known = {
    observed: '',
    reported: trans.__('reported by a browser or a program'),
    inferred: trans.__('a conclusion')
  };
  return (
    <details
      className="jp-Interview-Section jp-Interview-Record"
      onToggle={event => {
        setOpen(event.currentTarget.open);
      }}
    >
      <summary className="jp-Interview-Section-title">
        {trans.__('What was recorded (%1)', model.events.length)}
      </summary>
      {open && (
        <p>
          {trans.__(
            'Every edit is kept with how it came about, as the page of whoever made it reports it: typed, pasted, completed, dropped or undone.'
          )}{' '}
          {model.room?.me.role === 'candidate' &&
            trans.__('At the end you see how much of each.')}{' '}
          {model.room?.policy.signals === false &&
            trans.__('No other signals, such as leaving the page, are recorded.')}
        </p>
      )}
      {open && (
        <ol className="jp-Interview-Record-events">
          {[...model.events].reverse().map(event => (
            <li key={event.seq}>
              <time dateTime={event.at}>{timeOfDay(Date.parse(event.at))}</time>{' '}
              {eventText(event, model.people, trans)}
              {known[event.trust] && <em> ({known[event.trust]})</em>}
            </li>
          ))}
        </ol>
      )}
    </details>
  );
}
