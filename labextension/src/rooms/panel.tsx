/** The panel of a room, in the right sidebar. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { BranchModel } from '../collab/branch';
import { ThinkAlone } from '../collab/BranchView';
import { SavedLine } from '../collab/SavedLine';
import type { SavedModel } from '../collab/model';
import { InputView } from '../execution/InputView';
import { SandboxView } from '../execution/SandboxView';
import { useSignal } from '../ui/hooks';
import { interviewIcon } from '../ui/icons';
import { Elsewhere } from './Elsewhere';
import { Heading, Lead } from './Lead';
import type { RoomModel } from './model';
import { Notes } from './Notes';
import { People, Waiting } from './People';
import { Chat, Record } from './Talk';

/** What the panel has the rest of the page do. */
export interface Deeds {
  openNotes: (path: string) => Promise<void>;
  runAbove: () => Promise<void>;
}

export class RoomPanel extends ReactWidget {
  constructor(
    private readonly _model: RoomModel,
    private readonly _saved: SavedModel,
    private readonly _branch: BranchModel,
    private readonly _trans: TranslationBundle,
    private readonly _deeds: Deeds
  ) {
    super();
    this.id = 'jp-Interview-room-panel';
    this.addClass('jp-Interview-RoomPanel');
    this.title.icon = interviewIcon;
    this.title.caption = _trans.__('Interview');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', _trans.__('Interview'));
  }

  protected override render(): React.ReactElement {
    return (
      <Content
        model={this._model}
        saved={this._saved}
        branch={this._branch}
        trans={this._trans}
        deeds={this._deeds}
      />
    );
  }
}

function Content(props: {
  model: RoomModel;
  saved: SavedModel;
  branch: BranchModel;
  trans: TranslationBundle;
  deeds: Deeds;
}): React.ReactElement {
  const { model, saved, branch, trans, deeds } = props;
  useSignal(model.changed);
  if (model.room === null) {
    return <p className="jp-Interview-Empty">{trans.__('Connecting…')}</p>;
  }
  return (
    <>
      <Heading model={model} trans={trans} />
      {model.may('document:write') && (
        <div className="jp-Interview-SavedRow">
          <SavedLine model={saved} trans={trans} />
        </div>
      )}
      <Lead model={model} trans={trans} />
      <Waiting model={model} trans={trans} />
      <Elsewhere model={model} trans={trans} />
      <InputView model={model} trans={trans} />
      <ThinkAlone model={branch} trans={trans} />
      <People model={model} trans={trans} />
      <SandboxView model={model} trans={trans} runAbove={deeds.runAbove} />
      <Notes model={model} trans={trans} open={deeds.openNotes} />
      <Chat model={model} trans={trans} />
      <Record model={model} trans={trans} />
    </>
  );
}
