/** People who wait for the host in other rooms. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Section } from '../ui/parts';
import type { RoomModel } from './model';
import { timeOfDay } from './words';

export function Elsewhere(props: {
  model: RoomModel;
  trans: TranslationBundle;
}): React.ReactElement | null {
  const { model, trans } = props;
  if (!model.waitingElsewhere.length) {
    return null;
  }
  return (
    <Section title={trans.__('Waiting in other interviews')}>
      <ul className="jp-Interview-List">
        {model.waitingElsewhere.map(waiting => (
          <li key={waiting.participant_id} className="jp-Interview-Person">
            <span className="jp-Interview-Person-name">{waiting.name}</span>
            <span className="jp-Interview-Person-role">
              {waiting.title} · {timeOfDay(Date.parse(waiting.since))}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
