/** What the states of a run mean. */

import type { RunState } from '../api/types';

/** States in which a run is over. */
export const ENDED_RUNS: ReadonlySet<RunState> = new Set<RunState>([
  'done',
  'error',
  'cleared',
  'interrupted',
  'died'
]);
