/** Words for roles, states and events, as people read them. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Person, Role, Room, RoomState, TimelineEvent } from '../api/types';

export function roleName(role: Role, trans: TranslationBundle): string {
  const names: Record<Role, string> = {
    host: trans.__('Host'),
    interviewer: trans.__('Interviewer'),
    observer: trans.__('Observer'),
    candidate: trans.__('Candidate')
  };
  return names[role];
}

export function stateName(state: RoomState, trans: TranslationBundle): string {
  const names: Record<RoomState, string> = {
    scheduled: trans.__('Scheduled'),
    lobby: trans.__('Lobby open'),
    live: trans.__('Live'),
    paused: trans.__('Paused'),
    ended: trans.__('Ended'),
    archived: trans.__('Archived')
  };
  return names[state];
}

/** A time of day in the reader's own zone, such as `14:05:09`. */
export function timeOfDay(ms: number): string {
  return new Date(ms).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23'
  });
}

/** A date and time in the reader's own zone, in words. */
export function dateAndTime(iso: string): string {
  return new Date(iso).toLocaleString([], {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit'
  });
}

/** A size such as `36 MB`. */
export function megabytes(bytes: number): string {
  return bytes >= 2 ** 30
    ? `${(bytes / 2 ** 30).toFixed(1)} GB`
    : `${Math.round(bytes / 2 ** 20)} MB`;
}

/** One particular of an event as text; empty if it has none. */
export function payloadText(event: TimelineEvent, name: string): string {
  const value = event.payload?.[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** What an event's line in the timeline says. */
export function eventText(
  event: TimelineEvent,
  people: readonly Person[],
  trans: TranslationBundle
): string {
  const field = (name: string): string => payloadText(event, name);
  const who =
    people.find(person => person.id === event.actor)?.name ??
    (event.actor === 'server' ? trans.__('The server') : trans.__('Somebody'));
  switch (event.kind) {
    case 'room.created':
      return trans.__('%1 created the interview', who);
    case 'room.changed':
      return trans.__('%1 changed the interview’s details', who);
    case 'room.state':
      return trans.__(
        'The interview is now: %1',
        stateName(field('to') as RoomState, trans)
      );
    case 'room.ending':
      return trans.__('%1 announced the end', who);
    case 'room.ending_called_off':
      return trans.__('%1 called the end off', who);
    case 'invite.created':
      return trans.__('%1 invited %2', who, field('name') || trans.__('somebody'));
    case 'invite.revoked':
      return trans.__('%1 revoked an invite', who);
    case 'participant.waiting':
      return trans.__('%1 is waiting', field('name') || who);
    case 'participant.admitted':
      return trans.__('%1 was admitted', field('name'));
    case 'participant.declined':
      return trans.__('%1 was declined', field('name'));
    case 'participant.removed':
      return trans.__('%1 was removed', field('name'));
    case 'participant.arrived':
      return trans.__('%1 came', field('name') || who);
    case 'participant.left':
      return trans.__('%1 left', field('name') || who);
    case 'chat':
      return trans.__('%1 wrote a message', who);
    case 'branch.started':
      return trans.__('%1 began to think alone', who);
    case 'branch.merged':
      return trans.__(
        '%1 merged what they wrote alone: %2 cells added, %3 changed, %4 removed',
        who,
        field('added'),
        field('changed'),
        field('removed')
      );
    case 'branch.discarded':
      return event.actor === 'server'
        ? trans.__('What was written alone and not merged was discarded at the end')
        : trans.__('%1 discarded what they wrote alone', who);
    case 'run.accepted':
      return trans.__('%1 ran a cell', who);
    case 'run.started':
      return trans.__('A cell began to run');
    case 'run.ended':
      return trans.__('A cell ended: %1', field('state'));
    case 'run.extended':
      return trans.__('%1 gave a cell %2 s more', who, field('seconds'));
    case 'run.network':
      return trans.__('A cell tried to reach %1', field('targets'));
    case 'sandbox.ended':
      return trans.__('The kernel ended: %1', field('reason'));
    case 'files.kept':
      return trans.__('The files that cells wrote were kept');
    case 'access.refused':
      return trans.__('Refused to %1: %2', who, field('what'));
    default:
      return `${who}: ${event.kind.replaceAll('.', ' ').replaceAll('_', ' ')}`;
  }
}

/** Whether letting a person of that role in begins the interview; the server decides the same. */
export function startsInterview(
  room: Pick<Room, 'state'> | null,
  role: string | undefined
): boolean {
  return role === 'candidate' && ['scheduled', 'lobby'].includes(room?.state ?? '');
}
