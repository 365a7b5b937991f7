/** What the states of a run mean. */

import type { Run, RunState } from '../api/types';

/** States in which a run is over. */
export const ENDED_RUNS: ReadonlySet<RunState> = new Set<RunState>([
  'done',
  'error',
  'cleared',
  'interrupted',
  'died'
]);

/** The run that the kernel works on. */
export function runningRun(runs: readonly Run[]): Run | null {
  return runs.find(run => run.state === 'running') ?? null;
}

/** The run in which the kernel ended, unless something was run since. */
export function lostRun(runs: readonly Run[]): Run | null {
  const last = runs
    .filter(run => run.state !== 'cleared')
    .reduce<Run | null>(
      (newest, run) =>
        newest === null || newest.accepted_at < run.accepted_at ? run : newest,
      null
    );
  return last?.state === 'died' ? last : null;
}
