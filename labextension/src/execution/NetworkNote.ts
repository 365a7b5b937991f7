/** Says beside a cell that what it tried to reach cannot be reached. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

/** One cell's note; names come from the kernel, and stand here as text only. */
export class NetworkNote extends Widget {
  constructor(
    readonly runId: string,
    private readonly _trans: TranslationBundle
  ) {
    super({ node: document.createElement('p') });
    this.addClass('jp-Interview-NetworkNote');
  }

  tell(targets: readonly string[]): void {
    const said = document.createElement('em');
    said.textContent = this._trans.__('(reported by the kernel)');
    this.node.replaceChildren(
      this._trans.__(
        'This cell tried to reach %1. There is no network in here.',
        targets.join(', ')
      ),
      ' ',
      said
    );
  }
}
