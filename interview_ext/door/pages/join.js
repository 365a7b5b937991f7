// The landing page of a link. Opening it has no effect: the server learns of the token only
// by the two requests below, in their bodies.

import {
  ROLES,
  ask,
  byId,
  duration,
  isPassing,
  page,
  pause,
  showProblem,
  showTerms,
  until,
  when
} from './common.js';

const AGAIN_MS = 2_000;
const secret = location.hash.slice(1);
const api = `${page.roomPath}api/`;

function fail(error) {
  byId('title').textContent = 'This invitation cannot be opened';
  byId('invitation').hidden = true;
  showProblem(error);
}

async function enterByTicket(ticket) {
  byId('title').textContent = 'Opening the room…';
  history.replaceState(null, '', location.pathname); // it is worth nothing a second time
  const { url } = await ask(`${api}join`, { method: 'POST', body: { ticket } });
  location.replace(url);
}

/** Ask what the link is for, as often as it takes. */
async function lookUp() {
  for (;;) {
    try {
      const look = await ask(`${api}look`, { method: 'POST', body: { token: secret } });
      byId('problem').hidden = true;
      return look;
    } catch (error) {
      if (!isPassing(error.status)) {
        throw error;
      }
      if (byId('problem').hidden) {
        showProblem({ message: error.message, hint: 'This page goes on by itself when it can.' });
      }
      await pause(AGAIN_MS);
    }
  }
}

function show(look) {
  document.title = `Invitation – ${look.title}`;
  byId('over').textContent = 'You are invited to an interview';
  byId('title').textContent = look.title;
  const start = new Date(look.starts_at);
  byId('when').textContent = when(start);
  byId('length').textContent = duration(look.duration_s);
  byId('hosts').textContent = look.hosts.join(', ');
  byId('role').textContent = ROLES[look.role];
  byId('name').value = look.name;
  showTerms(byId('terms'), look.policy);
  // By the server's clock, as in the lobby: this one may be hours off.
  const skew = new Date(look.server_time) - Date.now();
  const tick = () => {
    const now = Date.now() + skew;
    byId('countdown').textContent = start > now ? `in ${until(start, now)}` : '';
  };
  tick();
  setInterval(tick, 1000);
  byId('invitation').hidden = false;
  if (!look.name) {
    byId('name').focus();
  }
}

async function join(event) {
  event.preventDefault();
  const name = byId('name').value.trim();
  const problem = byId('name-problem');
  problem.hidden = Boolean(name);
  byId('name').setAttribute('aria-invalid', String(!name));
  if (!name) {
    problem.textContent = 'Please say your name.';
    byId('name').focus();
    return;
  }
  byId('enter').disabled = true;
  byId('problem').hidden = true;
  try {
    const { url } = await ask(`${api}join`, { method: 'POST', body: { token: secret, name } });
    location.assign(url);
  } catch (error) {
    byId('enter').disabled = false;
    showProblem(error);
  }
}

async function begin() {
  if (!secret) {
    throw {
      message: 'This link is not complete.',
      hint: 'Open the whole link you were sent; its last part, behind the #, is missing.'
    };
  }
  if (secret.startsWith('ticket.')) {
    await enterByTicket(secret.slice('ticket.'.length));
    return;
  }
  const look = await lookUp();
  if (look.url) {
    byId('title').textContent = 'Welcome back, one moment…';
    location.replace(look.url);
    return;
  }
  show(look);
}

byId('form').addEventListener('submit', join);
addEventListener('hashchange', () => location.reload());
begin().catch(fail);
