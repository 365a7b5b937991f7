/** Who else writes into a document now, as its updates show. */

import type { IDisposable } from '@lumino/disposable';
import { DisposableDelegate } from '@lumino/disposable';
import type { Awareness } from 'y-protocols/awareness';
import type { Doc, Transaction } from 'yjs';

/**
 * Call `typing` with the participant of each insertion that comes from another page.
 *
 * The server lets nobody write under another's Yjs client id, and puts the participant into
 * the awareness state of each; its own client, which writes outputs, has no such state.
 */
export function followTyping(
  doc: Doc,
  awareness: Pick<Awareness, 'getStates'>,
  typing: (participant: string) => void
): IDisposable {
  const onTransaction = (transaction: Transaction): void => {
    if (transaction.local) {
      return;
    }
    for (const [client, clock] of transaction.afterState) {
      // The first sync brings what is long since written.
      const before = transaction.beforeState.get(client);
      if (before !== undefined && before < clock) {
        const user = awareness.getStates().get(client)?.user as
          { username?: unknown } | undefined;
        if (typeof user?.username === 'string') {
          typing(user.username);
        }
      }
    }
  };
  doc.on('afterTransaction', onTransaction);
  return new DisposableDelegate(() => {
    doc.off('afterTransaction', onTransaction);
  });
}
