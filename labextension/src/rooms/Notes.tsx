/** The interviewers' own notes: a document of the room that no candidate can fetch. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { useAction } from '../ui/hooks';
import { Button, Problem, Section } from '../ui/parts';
import type { RoomModel } from './model';

export function Notes(props: {
  model: RoomModel;
  trans: TranslationBundle;
  open: (path: string) => Promise<void>;
}): React.ReactElement | null {
  const { model, trans, open } = props;
  const [act, { busy, error }] = useAction();
  const notes = model.room?.documents.find(document => document.kind !== 'notebook');
  if (notes === undefined) {
    return null;
  }
  return (
    <Section title={trans.__('Notes')}>
      <p className="jp-Interview-Hint">
        {trans.__('Shared by host and interviewers; nobody else can read them.')}
      </p>
      <div className="jp-Interview-Buttons">
        <Button
          disabled={busy}
          onClick={() => {
            act(() => open(notes.path));
          }}
        >
          {trans.__('Open notes')}
        </Button>
      </div>
      {error && <Problem text={error} />}
    </Section>
  );
}
