// The lobby: says how things stand, and goes into the room by itself.

import {
  ROLES,
  Refused,
  ask,
  byId,
  dropDeadConnections,
  isThere,
  page,
  pause,
  showProblem,
  showTerms,
  until,
  when
} from './common.js';
import { prefetch } from './prefetch.js';
import { Stream } from './stream.js';

const AGAIN_MS = 1_000;
const OVER = ['ended', 'archived'];
const CLOSINGS = {
  'declined by the host': 'The host cannot let you in now.',
  'moved to another device': 'You have moved to another device.',
  'invite revoked': 'Your invitation has been withdrawn.',
  'removed by the host': 'You have been taken out of this interview.',
  'room deleted': 'This interview has been cancelled.'
};
let room = null;
let people = [];
let stopped = false;
let stream = null;
let fresh = Promise.resolve(); // when no dead connection is left over from a lost network
const shown = new Set(); // numbers of the lines of chat on the page
let skew = 0; // ms by which the server's clock is ahead of this one

function say(headline, detail = '', mood = '') {
  // Only when it changes: screen readers announce every change
  if (byId('headline').textContent !== headline) {
    byId('headline').textContent = headline;
  }
  byId('detail').textContent = detail;
  byId('waiting').className = `waiting ${mood}`;
}

function stop(headline, detail) {
  stopped = true;
  stream?.stop();
  byId('chat').hidden = true;
  connection('', '');
  say(headline, detail, 'still');
  document.title = headline;
}

function stopClosed(reason, otherwise = 'Your place in this lobby was closed.') {
  stop(
    CLOSINGS[reason] ?? otherwise,
    'Open your invite link again if this was a mistake, or ask the person who invited you.'
  );
}

function connection(kind, text) {
  byId('connection').className = kind;
  byId('connection').hidden = !text;
  byId('connection-text').textContent = text;
}

function showRoom() {
  byId('when').textContent = when(new Date(room.starts_at));
  showTerms(byId('terms'), room.policy);
}

function showState() {
  if (stopped || !room) {
    return;
  }
  if (OVER.includes(room.state)) {
    stop('This interview has ended.', 'If you expected it to go on, ask the person who invited you.');
    return;
  }
  const hosts = people.filter(p => p.role === 'host' || p.role === 'interviewer');
  const here = hosts.filter(p => p.present).map(p => p.name);
  const name = room.host_name === 'Host' ? 'Your host' : room.host_name || 'Your host';
  say(
    `${name} has been told that you are here.`,
    here.length
      ? `${here.join(' and ')} ${here.length > 1 ? 'are' : 'is'} in the room and will let you in. This page goes on by itself.`
      : 'You will be let in as soon as they come. This page goes on by itself; you may leave it open.'
  );
}

function showPeople() {
  byId('people').replaceChildren(
    ...people.map(person => {
      const item = document.createElement('li');
      const face = document.createElement('span');
      const text = document.createElement('span');
      const note = document.createElement('span');
      const name = person.name || 'Not named yet';
      face.className = 'face';
      face.ariaHidden = 'true';
      face.textContent = [...name][0].toUpperCase();
      // A style attribute is refused by this page's policy; the property is not.
      face.style.background = person.colour;
      note.className = 'soft';
      const where = person.you ? 'you' : person.present ? 'here' : 'not here yet';
      const role = ROLES[person.role];
      // Whoever is not named otherwise is called by their role: it is said once.
      note.textContent = name === role ? where : `${role}, ${where}`;
      text.append(name, document.createElement('br'), note);
      item.append(face, text);
      return item;
    })
  );
}

/** A line comes with the answer to whoever wrote it, and with the socket once that is open. */
function showLine(event) {
  if (shown.has(event.seq)) {
    return;
  }
  shown.add(event.seq);
  const item = document.createElement('p');
  const name = document.createElement('b');
  name.textContent = event.actor === page.participantId ? 'You' : String(event.payload?.name ?? '');
  const text = document.createElement('span');
  text.dir = 'auto'; // Hebrew and Arabic from right to left
  text.textContent = event.payload?.text ?? '';
  item.append(name, ': ', text);
  byId('lines').append(item);
  item.scrollIntoView({ block: 'nearest' });
}

function tick() {
  if (!room || stopped) {
    return;
  }
  const start = new Date(room.starts_at);
  const now = Date.now() + skew;
  const early = start > now;
  byId('countdown-label').textContent = early ? 'Starts in' : 'Start';
  byId('countdown').textContent = early ? until(start, now) : 'any moment now';
}

async function go() {
  if (stopped) {
    return;
  }
  stopped = true;
  stream?.stop();
  say('You have been let in. Opening the notebook…', '', 'in');
  document.title = 'You have been let in';
  await fresh;
  while (!(await isThere())) {
    await pause(AGAIN_MS); // Going now would end on a page of the browser's.
  }
  location.replace(page.doorPath);
}

/** Ask how things stand. */
async function check() {
  let found;
  try {
    found = await ask(page.apiPath);
  } catch (error) {
    if (error instanceof Refused && [401, 403, 404].includes(error.status)) {
      const reason = Object.keys(CLOSINGS).find(known => error.message.includes(known));
      stopClosed(reason, error.message);
    }
    return;
  }
  take(found);
}

function take(found) {
  room = found;
  if (room.me.admitted && (room.me.actions.includes('document:read') || OVER.includes(room.state))) {
    void go();
    return;
  }
  showRoom();
  showState();
}

const handlers = {
  hello(message) {
    skew = new Date(message.server_time) - Date.now();
    people = message.participants;
    showPeople();
    take(message.room);
  },
  room(message) {
    take(message.room);
  },
  participants(message) {
    people = message.participants;
    showPeople();
    return check();
  },
  event({ event }) {
    if (event.kind === 'chat') {
      showLine(event);
    }
  },
  seat_closed({ reason }) {
    stopClosed(reason);
  }
};

function connect() {
  if (stopped) {
    return;
  }
  stream = new Stream(`${page.apiPath}/events`, {
    heard: message => void handlers[message.type]?.(message),
    opened: wasSilent => {
      connection('on', 'Connected');
      if (wasSilent) {
        fresh = dropDeadConnections();
      }
    },
    lost: () => {
      connection('off', 'Reconnecting… your place is kept');
      void check();
    },
    hinted: () => void check()
  });
}

async function send(event) {
  event.preventDefault();
  const text = byId('line').value.trim();
  if (!text) {
    return;
  }
  byId('problem').hidden = true;
  try {
    const said = await ask(`${page.apiPath}/chat`, { method: 'POST', body: { text } });
    byId('line').value = '';
    showLine(said);
  } catch (error) {
    showProblem(error);
  }
}

byId('chat').addEventListener('submit', send);
byId('send').disabled = false; // until here Enter would have sent the form past this script
setInterval(tick, 1000);
await check();
tick();
connect();
void prefetch(page.prefetch, done => {
  byId('prefetch').textContent =
    done < 1 ? `Getting the notebook ready: ${Math.floor(done * 100)} %` : 'The notebook is ready to open.';
});
