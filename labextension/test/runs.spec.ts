import { lostRun, runningRun } from '../src/rooms/runs';
import { makeRun } from './fixtures';

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
    expect(lostRun([])).toBeNull();
    expect(lostRun([died])).toBe(died);
    expect(lostRun([makeRun({ ...later, state: 'cleared' }), died])).toBe(died);
    expect(lostRun([died, later])).toBeNull();
    expect(lostRun([later, died])).toBeNull();
  });
});
