/** How long a room has been going, and how long it still will. Times in milliseconds. */

import type { Room } from '../api/types';

/** Rooms that are to end within this time show a warning to everybody in them. */
export const WARNING_MS = 120_000;

/** The clock of a room at one moment. */
export interface Countdown {
  /** Since it went live; null before that. */
  elapsed: number | null;
  /** Until its planned or announced end, negative when overdue; null when not running. */
  remaining: number | null;
  /** Until it begins; null once it has begun. */
  untilStart: number | null;
  /** An end was announced: it comes when `remaining` is 0. */
  ending: boolean;
}

/** Return the clock of `room` at `now`, a time of the server's clock. */
export function countdown(room: Room, now: number): Countdown {
  const begun = room.live_at === null ? null : Date.parse(room.live_at);
  const over = room.ended_at === null ? null : Date.parse(room.ended_at);
  const announced = room.ends_at === null ? null : Date.parse(room.ends_at);
  if (begun === null) {
    return {
      elapsed: null,
      remaining: null,
      untilStart: over === null ? Date.parse(room.starts_at) - now : null,
      ending: false
    };
  }
  if (over !== null) {
    return {
      elapsed: Math.max(0, over - begun),
      remaining: null,
      untilStart: null,
      ending: false
    };
  }
  const end = announced ?? begun + room.duration_s * 1000;
  return {
    elapsed: Math.max(0, now - begun),
    remaining: end - now,
    untilStart: null,
    ending: announced !== null
  };
}

/** Write a length of time as `4:05` or `1:04:05`; the sign of overdue time is kept. */
export function clock(ms: number): string {
  const total = Math.floor(Math.abs(ms) / 1000);
  const seconds = String(total % 60).padStart(2, '0');
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  const text = hours
    ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}`
    : `${minutes}:${seconds}`;
  return ms <= -1000 ? `−${text}` : text;
}
