/** The question of a program, under the cell that runs it. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { RoomModel } from '../rooms/model';
import { useSignal } from '../ui/hooks';
import { InputView } from './InputView';

interface Props {
  model: RoomModel;
  trans: TranslationBundle;
  /** Whether to take the keyboard: only from whoever ran the cell. */
  focus: boolean;
}

export class InputCell extends ReactWidget {
  constructor(private readonly _props: Props) {
    super();
    this.addClass('jp-Interview-InputCell');
  }

  protected override render(): React.ReactElement {
    return <Following {...this._props} />;
  }
}

function Following(props: Props): React.ReactElement {
  useSignal(props.model.changed);
  return <InputView {...props} />;
}
