/** Thinking alone: the way there, in the panel, and the way back, across the page. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { BranchChanges } from '../api/types';
import { growTo } from '../ui/growTo';
import { useAction, useSignal } from '../ui/hooks';
import { Button, Problem, Section } from '../ui/parts';
import type { BranchModel } from './branch';

interface Props {
  model: BranchModel;
  trans: TranslationBundle;
}

/** In the panel: begin a branch, or hear that there is one in another browser. */
export function ThinkAlone({ model, trans }: Props): React.ReactElement | null {
  const [act, { busy, error }] = useAction();
  useSignal(model.changed);
  if (!model.mayBegin && model.locked === null) {
    return null;
  }
  return (
    <Section title={trans.__('Think alone')}>
      <p className="jp-Interview-Hint">
        {model.locked
          ? trans.__(
              'You began a branch in another browser. Only that browser has its key, so it cannot be opened here.'
            )
          : trans.__(
              'On a copy of the notebook that nobody else sees. Others see only that you are focusing. Afterwards you merge what you wrote, or discard it.'
            )}
      </p>
      <div className="jp-Interview-Buttons">
        {model.locked ? (
          <Button
            kind="warn"
            disabled={busy}
            onClick={() => {
              act(() => discard(model, trans));
            }}
          >
            {trans.__('Discard it…')}
          </Button>
        ) : (
          <Button
            disabled={busy}
            onClick={() => {
              act(() => model.begin());
            }}
          >
            {trans.__('Think alone')}
          </Button>
        )}
      </div>
      {error && <Problem text={error} />}
    </Section>
  );
}

/** Across the page of a branch. */
export class BranchBar extends ReactWidget {
  constructor(
    private readonly _model: BranchModel,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = 'jp-Interview-branch';
    this.addClass('jp-Interview-BranchBar-host');
  }

  protected override render(): React.ReactElement {
    return (
      <Bar
        model={this._model}
        trans={this._trans}
        onHeight={height => {
          growTo(this, height);
        }}
      />
    );
  }
}

function Bar(
  props: Props & { onHeight: (height: number) => void }
): React.ReactElement {
  const { model, trans, onHeight } = props;
  const [act, { busy, error }] = useAction();
  useSignal(model.changed);
  const bar = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    onHeight(bar.current?.offsetHeight ?? 0);
  });
  return (
    <div
      className="jp-Interview-BranchBar"
      role="region"
      aria-label={trans.__('Your branch')}
      ref={bar}
    >
      <span className="jp-Interview-BranchBar-text">
        {!model.over && <strong>{trans.__('Only you see this.')} </strong>}
        {said(model, trans)}
      </span>
      {!model.over && (
        <span className="jp-Interview-Buttons">
          <Button
            kind="accept"
            disabled={busy || !model.mayMerge}
            onClick={() => {
              act(() => model.merge());
            }}
          >
            {trans.__('Merge')}
          </Button>
          <Button
            kind="warn"
            disabled={busy}
            onClick={() => {
              act(() => discard(model, trans));
            }}
          >
            {trans.__('Discard…')}
          </Button>
        </span>
      )}
      {error && <Problem text={error} />}
    </div>
  );
}

function said(model: BranchModel, trans: TranslationBundle): string {
  if (model.over) {
    return trans.__(
      'The interview is over. You did not merge this branch, so it has been discarded.'
    );
  }
  if (!model.mayMerge) {
    return trans.__(
      'The interview is paused: you can go on here, and merge, when it is resumed.'
    );
  }
  if (model.ending) {
    return trans.__(
      'The interview ends soon. What you do not merge before the end is discarded.'
    );
  }
  return trans.__(
    'You are on a branch of the notebook; the others see that you are focusing. Cells do not run here.'
  );
}

/** Ask, naming what is lost; then discard. */
async function discard(model: BranchModel, trans: TranslationBundle): Promise<void> {
  const changes = await model.changes();
  const result = await showDialog({
    title: trans.__('Discard your branch?'),
    body: lost(changes, trans),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep') }),
      Dialog.warnButton({ label: trans.__('Discard') })
    ],
    defaultButton: 0
  });
  if (result.button.accept) {
    await model.discard();
  }
}

/** What discarding would throw away, in words. */
export function lost(changes: BranchChanges | null, trans: TranslationBundle): string {
  const end = trans.__('Nobody can bring it back, neither you nor the host.');
  if (changes === null) {
    return `${trans.__('All that you wrote there is lost.')} ${end}`;
  }
  const { added, changed, removed } = changes;
  const parts = [
    added && trans._n('one new cell', '%1 new cells', added),
    changed &&
      trans._n('what you wrote in one cell', 'what you wrote in %1 cells', changed),
    removed &&
      trans._n('that you removed one cell', 'that you removed %1 cells', removed)
  ].filter(part => typeof part === 'string');
  if (!parts.length) {
    return trans.__('You have written nothing on it yet.');
  }
  return `${trans.__('This is lost: %1.', parts.join(', '))} ${end}`;
}
