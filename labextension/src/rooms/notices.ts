/** Messages about people who wait; each goes away when its person does not wait any more. */

import { Notification } from '@jupyterlab/apputils';

import type { Waiting } from '../api/types';

/** Shows one message for each person who waits. */
export class WaitingNotices {
  show(
    waiting: Waiting,
    text: string,
    actions: Notification.IAction[],
    autoClose: number | false
  ): void {
    this._dismiss(waiting.participant_id);
    const id = Notification.info(text, { autoClose, actions });
    this._shown.set(waiting.participant_id, id);
  }

  /** Take away the messages about everybody else. */
  keep(waiting: readonly Waiting[]): void {
    const still = new Set(waiting.map(one => one.participant_id));
    for (const person of [...this._shown.keys()]) {
      if (!still.has(person)) {
        this._dismiss(person);
      }
    }
  }

  private _dismiss(person: string): void {
    const id = this._shown.get(person);
    if (id !== undefined) {
      Notification.dismiss(id);
      this._shown.delete(person);
    }
  }

  private readonly _shown = new Map<string, string>();
}
