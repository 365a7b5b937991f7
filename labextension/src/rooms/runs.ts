/** What the states of a run mean. */

import type { Run, RunState, Sandbox } from '../api/types';

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

/** How far a kernel that is gone had come. */
export interface Lost {
  run: Run;
  /** Whether it ended in that run; else after it. */
  within: boolean;
}

/** The last run before the kernel ended, unless something was run since. */
export function lostRun(runs: readonly Run[], sandbox: Sandbox | null): Lost | null {
  const last = runs
    .filter(run => run.state !== 'cleared')
    .reduce<Run | null>(
      (newest, run) =>
        newest === null || newest.accepted_at < run.accepted_at ? run : newest,
      null
    );
  if (last?.state === 'died') {
    return { run: last, within: true };
  }
  const gone = sandbox?.state === 'dead' && sandbox.death !== null;
  return gone && last !== null ? { run: last, within: false } : null;
}
