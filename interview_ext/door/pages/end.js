// The end: one's own copy, and the whole list of what was recorded.

import { ask, byId, page, showProblem } from './common.js';

const TRUST = { observed: 'seen by the server', reported: 'reported', inferred: 'inferred' };
const PAGE_SIZE = 500;
const ORIGINS = {
  typed: 'typed',
  paste: 'pasted',
  completion: 'completed',
  drop: 'dropped',
  undo: 'brought back by undo',
  assistant: 'from the assistant'
};

const SENTENCES = {
  'room.created': () => 'The interview was created',
  'room.changed': p => `Changed: ${(p.fields ?? []).join(', ')}`,
  'room.state': p => `The interview became ${p.to}`,
  'room.ending': () => 'The end was announced',
  'room.ending_called_off': () => 'The announced end was called off',
  'invite.created': () => 'An invitation was made',
  'invite.revoked': () => 'An invitation was withdrawn',
  'participant.waiting': p => (p.another_device ? 'Waited in the lobby with another device' : 'Waited in the lobby'),
  'participant.admitted': p => `${p.name || 'Somebody'} was let in`,
  'participant.declined': p => `${p.name || 'Somebody'} was not let in`,
  'participant.removed': p => `${p.name || 'Somebody'} was taken out`,
  'participant.arrived': p => (p.lobby ? 'Came to the lobby' : 'Came into the room'),
  'participant.left': p => (p.lobby ? 'Left the lobby' : 'Left the room'),
  chat: p => `Wrote: ${p.text}`,
  'access.refused': p => `Was refused: ${p.what}`
};

function sentence(event) {
  if (event.payload === null) {
    return 'Erased';
  }
  const say = SENTENCES[event.kind];
  if (say) {
    return say(event.payload);
  }
  const words = event.kind.replace(/[._]/g, ' ');
  return words[0].toUpperCase() + words.slice(1);
}

async function readEvents() {
  const events = [];
  for (;;) {
    const after = events.at(-1)?.seq ?? 0;
    const part = await ask(`${page.apiPath}/timeline?after=${after}&limit=${PAGE_SIZE}`);
    events.push(...part.events);
    if (part.events.length < PAGE_SIZE) {
      return events;
    }
  }
}

function cell(text) {
  const element = document.createElement('td');
  element.textContent = text;
  return element;
}

function showEvents(events, names) {
  const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' });
  byId('events').replaceChildren(
    ...events.map(event => {
      const row = document.createElement('tr');
      row.append(
        cell(time.format(new Date(event.at))),
        cell(sentence(event)),
        cell(names.get(event.actor) ?? (event.actor === 'server' ? 'The server' : '–')),
        cell(TRUST[event.trust] ?? event.trust)
      );
      return row;
    })
  );
  byId('count').textContent = `${events.length} ${events.length === 1 ? 'entry' : 'entries'}`;
}

/** How one's own edits came about, by kind; the server has kept it as the page said it. */
function showOrigins(pieces, policy) {
  const parts = Object.entries(pieces).map(([origin, count]) => `${count} ${ORIGINS[origin] ?? origin}`);
  byId('pieces').textContent = parts.length
    ? `Kept about pieces of your text: ${parts.join(', ')}.`
    : '';
  byId('signals').textContent = policy.signals
    ? ''
    : 'No other signals, such as leaving the page, were recorded.';
}

function offerDownload(events, pieces) {
  const button = byId('save');
  button.hidden = false;
  button.addEventListener('click', () => {
    const blob = new Blob([JSON.stringify({ events, pieces_by_origin: pieces }, null, 2)], { type: 'application/json' });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = 'what-was-recorded.json';
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

function download(address, name, text, look) {
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.className = look;
  link.href = `${page.apiPath}/documents/${address}`;
  link.download = name;
  link.textContent = text;
  item.append(link);
  return item;
}

function showCopies() {
  byId('no-copies').hidden = page.copies.length > 0;
  byId('copies').replaceChildren(
    ...page.copies.map(({ id, path }) => download(`${id}/copy`, path, `Download ${path}`, 'button'))
  );
  byId('edits').replaceChildren(
    ...page.copies.map(({ id, path }) =>
      download(`${id}/replay`, `${path}.edits.ndjson`, `Download every edit of ${path}`, '')
    )
  );
}

showCopies();
try {
  const [events, { participants }, { pieces }, { policy }] = await Promise.all([
    readEvents(),
    ask(`${page.apiPath}/participants`),
    ask(`${page.apiPath}/origins`),
    ask(page.apiPath)
  ]);
  const names = new Map(participants.map(p => [p.id, p.you ? `${p.name} (you)` : p.name]));
  showEvents(events, names);
  showOrigins(pieces, policy);
  offerDownload(events, pieces);
} catch (error) {
  showProblem(error);
}
