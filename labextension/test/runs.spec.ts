import { lostRun, runningRun } from '../src/rooms/runs';
import { makeRun, makeSandbox } from './fixtures';

const died = makeRun({
  id: 'run_1',
  cell_id: 'a',
  state: 'died',
  death: 'memory limit',
  accepted_at: '2026-03-04T10:00:01Z'
});
const later = makeRun({
  id: 'run_2',
  cell_id: 'b',
  accepted_at: '2026-03-04T10:00:02Z'
});

describe('runs', () => {
  it('finds the one that runs', () => {
    expect(runningRun([died, later])).toBeNull();
    const running = makeRun({ ...later, state: 'running' });
    expect(runningRun([died, running])).toBe(running);
  });

  it('remembers where the kernel ended until something is run again', () => {
    const lost = { run: died, within: true };
    expect(lostRun([], null)).toBeNull();
    expect(lostRun([died], null)).toEqual(lost);
    expect(lostRun([makeRun({ ...later, state: 'cleared' }), died], null)).toEqual(
      lost
    );
    expect(lostRun([died, later], null)).toBeNull();
    expect(lostRun([later, died], null)).toBeNull();
  });

  it('remembers how far a kernel had come that ended while nothing ran', () => {
    const done = makeRun({ ...later, state: 'done' });
    const sandbox = makeSandbox();
    const dead = makeSandbox({
      state: 'dead',
      death: { reason: 'idle', detail: '', at: '2026-03-04T11:00:00Z' }
    });
    expect(lostRun([done], sandbox)).toBeNull();
    expect(lostRun([done], dead)).toEqual({ run: done, within: false });
    expect(lostRun([], dead)).toBeNull();
  });
});
