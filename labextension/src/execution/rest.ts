/** The notice before a sandbox ends that nobody uses. */

import type { TranslationBundle } from '@jupyterlab/translation';

import { timeOfDay } from '../rooms/words';

/** What people read: when it ends, and what goes with it. */
export function restText(restsAt: string, trans: TranslationBundle): string {
  return trans.__(
    'Nothing has run for a while. At %1 the sandbox ends, and all variables with it.',
    timeOfDay(Date.parse(restsAt))
  );
}
