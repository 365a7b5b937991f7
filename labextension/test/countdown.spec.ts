import { clock, countdown } from '../src/rooms/countdown';
import { NOW, makeRoom } from './fixtures';

const MINUTE = 60_000;

describe('countdown', () => {
  it('counts towards the start of a room that has not begun', () => {
    const room = makeRoom({ state: 'scheduled', live_at: null });
    expect(countdown(room, NOW - MINUTE)).toEqual({
      elapsed: null,
      remaining: null,
      untilStart: MINUTE,
      ending: false
    });
  });

  it('counts from when it really began to when it is planned to end', () => {
    const room = makeRoom({ live_at: '2026-03-04T10:05:00Z' });
    const time = countdown(room, NOW + 15 * MINUTE);
    expect(time.elapsed).toBe(10 * MINUTE);
    expect(time.remaining).toBe(50 * MINUTE);
  });

  it('is overdue after that, without an end of its own', () => {
    expect(countdown(makeRoom(), NOW + 61 * MINUTE).remaining).toBe(-MINUTE);
  });

  it('counts towards an announced end', () => {
    const room = makeRoom({ ends_at: '2026-03-04T10:12:00Z' });
    expect(countdown(room, NOW + 10 * MINUTE)).toMatchObject({
      remaining: 2 * MINUTE,
      ending: true
    });
  });

  it('stands still after the end', () => {
    const room = makeRoom({ state: 'ended', ended_at: '2026-03-04T10:30:00Z' });
    expect(countdown(room, NOW + 99 * MINUTE)).toMatchObject({
      elapsed: 30 * MINUTE,
      remaining: null
    });
  });
});

describe('clock', () => {
  it.each([
    [0, '0:00'],
    [999, '0:00'],
    [65_000, '1:05'],
    [3_600_000, '1:00:00'],
    [3_725_000, '1:02:05'],
    [-65_000, '−1:05']
  ])('%d ms is %s', (ms, text) => {
    expect(clock(ms)).toBe(text);
  });
});
