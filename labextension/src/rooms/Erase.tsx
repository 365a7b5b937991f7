/** What a host can do with an interview that is over: hold it, or erase a person from it. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Person } from '../api/types';
import { useAction } from '../ui/hooks';
import { Button, Problem } from '../ui/parts';
import type { RoomEntry, RoomsModel } from './roomsModel';
import { roleName } from './words';

interface Props {
  model: RoomsModel;
  entry: RoomEntry;
  trans: TranslationBundle;
}

export function Erase(props: Props): React.ReactElement {
  const { model, entry, trans } = props;
  const { room } = entry;
  const [act, { busy, error }] = useAction();
  const [choosing, setChoosing] = React.useState(false);
  const list = React.useId();
  const held = room.legal_hold;
  return (
    <div
      className="jp-Interview-Erase"
      role="group"
      aria-label={trans.__('Keeping and erasing')}
    >
      {held && (
        <p className="jp-Interview-Hold" role="status">
          <strong>{trans.__('Legal hold.')}</strong>{' '}
          {trans.__('Nothing of this interview can be erased or deleted.')}
        </p>
      )}
      <span className="jp-Interview-Buttons">
        {!held && (
          <button
            type="button"
            className="jp-mod-styled jp-Interview-Button"
            disabled={busy}
            aria-expanded={choosing}
            aria-controls={list}
            onClick={() => {
              setChoosing(!choosing);
            }}
          >
            {trans.__('Erase a person…')}
          </button>
        )}
        <Button
          disabled={busy}
          label={
            held
              ? trans.__('Lift the legal hold on %1', room.title)
              : trans.__('Put %1 under a legal hold', room.title)
          }
          onClick={() => {
            act(async () => {
              setChoosing(false);
              await model.hold(room.id, !held);
            });
          }}
        >
          {held ? trans.__('Lift legal hold') : trans.__('Legal hold')}
        </Button>
      </span>
      {choosing && !held && (
        <ul id={list} className="jp-Interview-List">
          {erasable(entry.people).map(person => (
            <li key={person.id} className="jp-Interview-Person">
              <span className="jp-Interview-Person-name">{nameOf(person, trans)}</span>
              <span className="jp-Interview-Person-role">
                {roleName(person.role, trans)}
              </span>
              <span className="jp-Interview-Buttons">
                <Button
                  disabled={busy}
                  label={trans.__('Erase %1', nameOf(person, trans))}
                  onClick={() => {
                    act(async () => {
                      if (await isMeant(person, trans)) {
                        await model.erase(room.id, person.id);
                        setChoosing(false);
                      }
                    });
                  }}
                >
                  {trans.__('Erase…')}
                </Button>
              </span>
            </li>
          ))}
          {erasable(entry.people).length === 0 && (
            <li className="jp-Interview-Person">
              {trans.__('Nobody is left to erase.')}
            </li>
          )}
        </ul>
      )}
      {error && <Problem text={error} />}
    </div>
  );
}

function erasable(people: readonly Person[]): Person[] {
  return people.filter(person => person.role !== 'host' && !person.erased);
}

function nameOf(person: Person, trans: TranslationBundle): string {
  return person.name || trans.__('(no name)');
}

async function isMeant(person: Person, trans: TranslationBundle): Promise<boolean> {
  const gone = [
    trans.__('their name, and their links and places'),
    trans.__('what they typed, in every document and in every earlier state of it'),
    trans.__('outputs of cells they ran or wrote in, and the files the cells left'),
    trans.__('their messages, and what the record says about them')
  ];
  const kept = [
    trans.__('what others typed, and who typed it'),
    trans.__('cells as they stand, emptied where the text was theirs'),
    trans.__('that something happened, and when, with “erased” for a name'),
    trans.__('copies that anybody has downloaded, and backups')
  ];
  const result = await showDialog({
    title: trans.__('Erase %1 from this interview?', nameOf(person, trans)),
    body: (
      <div className="jp-Interview-Erase-dialog">
        <p>{trans.__('This cannot be undone. These go for good:')}</p>
        <ul>
          {gone.map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        <p>{trans.__('These stay:')}</p>
        <ul>
          {kept.map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </div>
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep them') }),
      Dialog.warnButton({ label: trans.__('Erase') })
    ],
    defaultButton: 0
  });
  return result.button.accept;
}
