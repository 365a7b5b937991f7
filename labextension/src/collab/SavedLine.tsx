/** Whether what one typed is saved, in words. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { timeOfDay } from '../rooms/words';
import { useSignal, useNow } from '../ui/hooks';
import type { SavedModel } from './model';
import type { SavedStatus } from './saved';

export function SavedLine(props: {
  model: SavedModel;
  trans: TranslationBundle;
}): React.ReactElement {
  const { model, trans } = props;
  useSignal(model.changed);
  useNow();
  const status = model.status;
  return (
    <span className="jp-Interview-Saved" data-state={status.state}>
      <span className="jp-Interview-Dot" data-state={status.state} aria-hidden="true" />
      {savedText(status, trans)}
    </span>
  );
}

export function savedText(
  { state, since }: SavedStatus,
  trans: TranslationBundle
): string {
  switch (state) {
    case 'saved':
      return trans.__('Saved');
    case 'saving':
      return trans.__('Saving…');
    case 'unsaved':
      return trans.__('Not saved since %1', timeOfDay(since ?? 0));
    case 'reconnecting':
      return since === null
        ? trans.__('Reconnecting…')
        : trans.__('Reconnecting… not saved since %1', timeOfDay(since));
  }
}
