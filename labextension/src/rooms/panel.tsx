/** The panel of a room, in the right sidebar. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
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
import type { LostEdits } from './lost';
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
    private readonly _lost: LostEdits,
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

  /** Emits when the panel comes into sight. */
  get shown(): ISignal<this, void> {
    return this._shown;
  }

  /** Have the tab say how many lines of chat came that nobody could see. */
  markUnseen(count: number): void {
    this.title.className = count ? 'jp-Interview-mod-unseen' : '';
    this.title.caption = count
      ? this._trans._n('Interview: %1 new line', 'Interview: %1 new lines', count)
      : this._trans.__('Interview');
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._shown.emit();
  }

  protected override render(): React.ReactElement {
    return (
      <Content
        model={this._model}
        saved={this._saved}
        lost={this._lost}
        branch={this._branch}
        trans={this._trans}
        deeds={this._deeds}
      />
    );
  }

  private readonly _shown = new Signal<this, void>(this);
}

function Content(props: {
  model: RoomModel;
  saved: SavedModel;
  lost: LostEdits;
  branch: BranchModel;
  trans: TranslationBundle;
  deeds: Deeds;
}): React.ReactElement {
  const { model, saved, lost, branch, trans, deeds } = props;
  useSignal(model.changed);
  useSignal(saved.changed);
  if (model.room === null) {
    return <p className="jp-Interview-Empty">{trans.__('Connecting…')}</p>;
  }
  return (
    <>
      <Heading model={model} trans={trans} />
      {(model.may('document:write') || lost.since !== null) && (
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
