/** The packages of a room: named in the form, shown on the dashboard and in the room. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Room } from '../api/types';
import { useAction } from '../ui/hooks';
import { Button, Problem } from '../ui/parts';
import type { RoomsModel } from './roomsModel';

/** What stands in the field, one package a line. */
export function packagesIn(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');
}

/** Where packages are named, with a word on what that means. */
export function PackagesField(props: {
  value: string;
  trans: TranslationBundle;
  onChange: (value: string) => void;
}): React.ReactElement {
  const { value, trans, onChange } = props;
  const help = React.useId();
  return (
    <div className="jp-Interview-New-field">
      <label>
        {trans.__('Packages (optional)')}
        <textarea
          className="jp-mod-styled"
          rows={2}
          maxLength={2100}
          spellCheck={false}
          value={value}
          placeholder={'polars>=1.0\nhumanize'}
          aria-describedby={help}
          onChange={event => {
            onChange(event.target.value);
          }}
        />
      </label>
      <small id={help}>
        {trans.__(
          'Beyond those of the language, one a line, versions if they matter. They are installed now, since cells have no network.'
        )}
      </small>
    </div>
  );
}

/** How far a room's packages are, in words. */
export function preparationText(room: Room, trans: TranslationBundle): string {
  const { preparation } = room;
  switch (preparation?.state) {
    case 'building':
      return preparation.line
        ? trans.__('Installing packages… %1', preparation.line)
        : trans.__('Installing packages…');
    case 'ready':
      return trans.__('Packages ready');
    case 'failed':
      return trans.__('Packages could not be installed: %1', preparation.problem);
    default:
      return '';
  }
}

/** A room's packages on the dashboard, and what the host can do if they are not to be had. */
export function Packages(props: {
  model: RoomsModel;
  room: Room;
  trans: TranslationBundle;
}): React.ReactElement | null {
  const { model, room, trans } = props;
  const { preparation } = room;
  const [act, { busy, error }] = useAction();
  const [text, setText] = React.useState<string | null>(null);
  if (preparation === null) {
    return null;
  }
  const failed = preparation.state === 'failed';
  return (
    <div
      className="jp-Interview-Packages"
      role="group"
      aria-label={trans.__('Packages')}
      data-state={preparation.state}
    >
      <span className="jp-Interview-Packages-names">{room.packages.join(', ')}</span>
      <span role="status">{failed ? '' : preparationText(room, trans)}</span>
      {failed && <Problem text={preparationText(room, trans)} />}
      {text !== null && (
        <form
          className="jp-Interview-New"
          aria-label={trans.__('Change packages')}
          onSubmit={event => {
            event.preventDefault();
            act(async () => {
              await model.setPackages(room.id, packagesIn(text));
              setText(null);
            });
          }}
        >
          <PackagesField value={text} trans={trans} onChange={setText} />
          <div className="jp-Interview-Buttons">
            <button
              type="submit"
              className="jp-mod-styled jp-mod-accept jp-Interview-Button"
              disabled={busy}
            >
              {trans.__('Install these')}
            </button>
            <Button
              disabled={busy}
              onClick={() => {
                setText(null);
              }}
            >
              {trans.__('Cancel')}
            </Button>
          </div>
        </form>
      )}
      {text === null && (
        <span className="jp-Interview-Buttons">
          {failed && (
            <Button
              disabled={busy}
              onClick={() => {
                act(() => model.prepare(room.id));
              }}
            >
              {trans.__('Try again')}
            </Button>
          )}
          {['scheduled', 'lobby'].includes(room.state) && (
            <Button
              disabled={busy}
              onClick={() => {
                setText(room.packages.join('\n'));
              }}
            >
              {trans.__('Change packages…')}
            </Button>
          )}
        </span>
      )}
      {error && <Problem text={error} />}
    </div>
  );
}
