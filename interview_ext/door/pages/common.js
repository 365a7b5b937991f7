// What the small pages share. No framework: they have to be there before anything else is.

/** What the server put into the page. */
export const page = JSON.parse(document.getElementById('page').textContent);

export const byId = id => document.getElementById(id);

/** Milliseconds until a request counts as lost: by itself the browser would wait for minutes. */
const REQUEST_MS = 15_000;
/** Connections that browsers keep for requests to one server, over HTTP/1.1. */
const POOLED = 6;
/** Milliseconds in which one that is kept has to answer. */
const PROBE_MS = 2_000;

/** An error with what happened and what to do about it. */
export class Refused extends Error {
  constructor(status, { code = '', message = 'The server did not answer.', hint = '' } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** Ask the server for JSON; throw `Refused` for every answer that is an error. */
export async function ask(path, { method = 'GET', body } = {}) {
  const headers = { Accept: 'application/json' };
  if (method !== 'GET') {
    headers['Content-Type'] = 'application/json';
    headers['X-XSRFToken'] = cookie('_xsrf');
  }
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_MS)
    });
  } catch {
    throw new Refused(0, {
      message: 'The server cannot be reached.',
      hint: 'Check your connection and try again.'
    });
  }
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Refused(answer.status, data.error);
  }
  return data;
}

/** Whether an answer's status, 0 for none, says that another one may come by itself. */
export const isPassing = status => status === 0 || status === 429 || status >= 500;

/** Whether the server answers; a connection that is dead is gone then. */
export async function isThere() {
  const url = document.querySelector('link[rel=icon]').href;
  const signal = AbortSignal.timeout(PROBE_MS);
  try {
    return !isPassing((await fetch(url, { method: 'HEAD', cache: 'no-store', signal })).status);
  } catch {
    return false;
  }
}

/**
 * Have the browser throw away connections that it keeps and that are dead.
 *
 * It would send the next requests over them, and the next page's. As many requests at once as it
 * keeps connections use each; one that is aborted takes its connection with it.
 */
export function dropDeadConnections() {
  return Promise.all(Array.from({ length: POOLED }, isThere));
}

export const pause = ms => new Promise(done => setTimeout(done, ms));

/** The first cookie of that name: the one with the longest path, which is this door's. */
function cookie(name) {
  const pair = document.cookie.split('; ').find(text => text.startsWith(`${name}=`));
  return pair ? pair.slice(name.length + 1) : '';
}

/** Show an error where screen readers announce it. */
export function showProblem(error) {
  const place = byId('problem');
  place.replaceChildren(...[error.message, error.hint].filter(Boolean).map(paragraph));
  place.hidden = false;
}

function paragraph(text) {
  const element = document.createElement('p');
  element.textContent = text;
  return element;
}

export function when(date) {
  return new Intl.DateTimeFormat(undefined, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    hour: 'numeric',
    minute: '2-digit',
    timeZoneName: 'short'
  }).format(date);
}

export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  const parts = [];
  if (hours) {
    parts.push(`${hours} ${hours === 1 ? 'hour' : 'hours'}`);
  }
  if (rest || !hours) {
    parts.push(`${rest} ${rest === 1 ? 'minute' : 'minutes'}`);
  }
  return parts.join(' ');
}

/** How long until a moment, the way a person says it; seconds only in the last ten minutes. */
export function until(date, now) {
  const seconds = Math.max(0, Math.ceil((date - now) / 1000));
  if (seconds < 600) {
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} min`;
  }
  const days = Math.floor(seconds / 86400);
  if (days >= 2) {
    return `${days} days`;
  }
  return duration(seconds);
}

export const ROLES = {
  host: 'Host',
  interviewer: 'Interviewer',
  observer: 'Observer',
  candidate: 'Candidate'
};

/** The room's policy in plain words. */
export function showTerms(list, policy) {
  const terms = [
    [
      true,
      'Your work is kept.',
      'Edits, the cells you run, their results and messages, each with time and name. At the end you get your own copy and the list.'
    ],
    policy.recording
      ? [true, 'Sound and picture are recorded.', 'You see when it is on.']
      : [false, 'Sound and picture are not recorded.', ''],
    [
      true,
      'How edits came about is kept,',
      'as your page reports it: typed, pasted, completed, dropped or undone.'
    ],
    policy.signals
      ? [true, 'Other signals are recorded,', 'such as leaving the page. You see each of them.']
      : [false, 'No other signals are recorded,', 'such as leaving the page.'],
    policy.assistant
      ? [true, 'An assistant may be used.', 'Both sides see what you ask it.']
      : [false, 'There is no built-in assistant.', '']
  ];
  if (policy.branch) {
    terms.push([true, 'You may think in private.', 'A branch of your own is not watched until you share it.']);
  }
  list.replaceChildren(
    ...terms.map(([on, head, rest]) => {
      const item = document.createElement('li');
      const strong = document.createElement('strong');
      strong.textContent = head;
      item.className = on ? 'on' : '';
      item.append(strong, ` ${rest}`);
      return item;
    })
  );
}
