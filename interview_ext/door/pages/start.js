// Gets JupyterLab loaded over a network that breaks, and says how it goes.
//
// This stands in JupyterLab's page itself (lab.html), before its first script: whoever has the page
// has this. JupyterLab loads a hundred scripts, and asks for each of them once: one that is lost
// with its connection would leave the page blank for good. Here it is asked for again, and whoever
// waits for it is told when it is there, or that the server does not have it.

'use strict';
{
  const FIRST_PAUSE_MS = 500;
  const MAX_PAUSE_MS = 8_000;
  /** Milliseconds in which the server has to answer whether it is there. */
  const PROBE_MS = 5_000;
  /** Connections that browsers keep for requests to one server, over HTTP/1.1. */
  const POOLED = 6;
  /** Milliseconds after which JupyterLab's loader calls a script lost, and so does this of any. */
  const LOADING_MS = 120_000;
  /** Times a file may fail that the server says it has. */
  const MAX_TRIES = 5;
  const QUIET_MS = 400;
  /** Milliseconds after which the page looks whether there is a connection at all. */
  const DOUBT_MS = 2_000;
  const MAX_DOUBT_MS = 16_000;
  const SLOW_MS = 15_000;
  const RELOADED = 'interview-page-reloaded';

  /** Where all files of this page lie; another set of files lies elsewhere. */
  const files = new URL(document.currentScript.dataset.files, location.href).href;
  const icon = `${files}rooms/icon.svg`;
  const view = document.getElementById('opening');
  const [headline, detail] = view.querySelectorAll('p');
  const begun = performance.now();
  const fetchOnce = window.fetch.bind(window); // Ours in JupyterLab is patient; here one answer counts.

  const underWay = new Map(); // scripts that are being loaded, and since when (ms)
  const attempts = new WeakMap(); // what an element, or one in its place, is an attempt at
  let failed = []; // what to ask for again
  let pause = FIRST_PAUSE_MS;
  let timer = 0;
  let asking = false;
  let lost = false; // the whole page: its loader has given up
  let unreachable = false; // as JupyterLab's own requests may have found out, too
  let lookAt = performance.now() + DOUBT_MS;
  let lookPause = DOUBT_MS;
  let refused = false;
  let started = false;
  let loadEventIsPast = false;

  const isOurs = node =>
    (node instanceof HTMLScriptElement && node.src.startsWith(files)) ||
    (node instanceof HTMLLinkElement && node.rel === 'stylesheet' && node.href.startsWith(files));

  // ---- asking again

  function notice(event) {
    const element = event.target;
    if (!isOurs(element)) {
      return;
    }
    underWay.delete(element);
    if (event.type === 'load') {
      pause = FIRST_PAUSE_MS;
      return;
    }
    const attempt = attempts.get(element) ?? {
      first: element,
      awaited: Boolean(element.onload),
      tries: 0
    };
    if (attempt.refused) {
      return;
    }
    event.stopImmediatePropagation(); // The loader would take it for the last word.
    if (lost) {
      return;
    }
    attempts.set(element, attempt);
    attempt.tries += 1;
    if (element instanceof HTMLScriptElement) {
      element.remove(); // The loader hangs itself onto a script that it finds in the page.
    }
    failed.push(attempt);
    askLater();
    show();
  }

  function askLater() {
    if (!timer && !asking && failed.length) {
      timer = setTimeout(ask, pause * (0.75 + Math.random() / 2));
      pause = Math.min(MAX_PAUSE_MS, pause * 2);
    }
  }

  /** Ask the server for one of the files; if it answers, load all. */
  async function ask() {
    timer = 0;
    if (forgetAbandoned()) {
      return;
    }
    const [attempt] = failed;
    if (attempt) {
      asking = true;
      const status = await probe(addressOf(attempt.first));
      asking = false;
      if (lost) {
        return;
      }
      if (status >= 300 || (status && attempt.tries >= MAX_TRIES)) {
        refuse(failed.shift());
      } else if (status) {
        const all = failed;
        failed = [];
        all.forEach(load);
      }
    }
    if (!lost) {
      askLater();
      show();
    }
  }

  /** Nobody waits any more for what the loader has given up; whether the page is lost with it. */
  function forgetAbandoned() {
    // The loader takes its functions from a script when it is through with it.
    const abandoned = failed.filter(({ first, awaited }) => awaited && !first.onload);
    failed = failed.filter(attempt => !abandoned.includes(attempt));
    if (abandoned.length && !started) {
      void loadPageAgain();
    }
    return lost;
  }

  function load(attempt) {
    const { first } = attempt;
    if (first instanceof HTMLLinkElement) {
      // Put into its place again it is fetched again, and whoever waits listens to it itself.
      first.parentNode?.insertBefore(first, first.nextSibling);
      return;
    }
    const script = document.createElement('script');
    for (const { name, value } of first.attributes) {
      script.setAttribute(name, value);
    }
    attempts.set(script, attempt);
    script.addEventListener('load', () => {
      script.remove();
      first.dispatchEvent(new Event('load'));
    });
    document.head.append(script);
  }

  const addressOf = element => element.getAttribute('src') ?? element.getAttribute('href');

  const head = address =>
    fetchOnce(address, {
      method: 'HEAD',
      cache: 'no-store',
      redirect: 'manual',
      signal: AbortSignal.timeout(PROBE_MS)
    });

  /** The status of the server's answer; 0 if there is none, or one only of a proxy before it. */
  async function probe(address) {
    try {
      const { status } = await head(address);
      // A redirect, such as to a proxy's login, is not shown to scripts.
      return status >= 500 || status === 429 ? 0 : status || 302;
    } catch {
      return 0;
    }
  }

  /** The server does not have it: the page is of another server, or of one before an update. */
  function refuse(attempt) {
    if (!started && mayReload()) {
      lost = true;
      location.reload();
      return;
    }
    refused = true;
    clearInterval(watching);
    attempt.refused = true;
    attempt.first.dispatchEvent(new Event('error'));
  }

  /** Once for each set of files: a page that comes back the same would be refused again. */
  function mayReload() {
    try {
      const may = sessionStorage.getItem(RELOADED) !== files;
      sessionStorage.setItem(RELOADED, files);
      return may;
    } catch {
      return false;
    }
  }

  /** The loader has given up, after minutes: begin anew, with what has come, once there is a server. */
  async function loadPageAgain() {
    lost = true;
    show();
    window.stop(); // Requests without an answer would keep the connections from the next ones.
    // As many as there are connections: one that is dead goes with the request that it swallowed,
    // and is not there for the new page.
    const ask = () => Promise.all(Array.from({ length: POOLED }, () => probe(icon)));
    while (!started && !(await ask()).some(Boolean)) {
      await new Promise(done => setTimeout(done, pause));
      pause = Math.min(MAX_PAUSE_MS, pause * 2);
    }
    if (!started) {
      location.reload();
    }
  }

  /** Find out whether the server can be reached; no answer may just be a slow one. */
  async function look() {
    lookAt = performance.now() + PROBE_MS + lookPause;
    lookPause = Math.min(MAX_DOUBT_MS, 2 * lookPause);
    try {
      await head(icon);
      unreachable = false;
    } catch (reason) {
      unreachable = reason.name !== 'TimeoutError';
    }
    show();
  }

  // ---- what JupyterLab does meanwhile

  const observer = new MutationObserver(changes => {
    for (const { addedNodes, removedNodes } of changes) {
      for (const node of addedNodes) {
        if (node instanceof HTMLScriptElement && isOurs(node)) {
          underWay.set(node, performance.now());
        }
      }
      for (const node of removedNodes) {
        if (underWay.delete(node) && !lost) {
          void loadPageAgain(); // It was taken away before it had come.
        }
      }
    }
    if (document.getElementById('main') && !document.getElementById('jupyterlab-splash')) {
      start();
    }
  });

  function watch() {
    const now = performance.now();
    if (!lost && [...underWay.values()].some(since => now - since > LOADING_MS)) {
      void loadPageAgain();
    } else if (!lost) {
      forgetAbandoned();
    }
    if (now >= lookAt) {
      void look();
    }
    show();
  }

  /** JupyterLab can be seen. From here on this only asks for files again: somebody works here. */
  function start() {
    started = true;
    lost = false;
    observer.disconnect();
    clearInterval(watching);
    underWay.clear();
    delete window.addEventListener;
    view.remove();
    try {
      sessionStorage.removeItem(RELOADED);
    } catch {
      // Then there is nothing in it.
    }
  }

  // JupyterLab begins at the window's load event, for which it listens once all scripts are there.
  // While one is asked for again the event comes without it: then it is told at once.
  window.addEventListener = function (type, listener, ...options) {
    if (type === 'load' && loadEventIsPast && (this ?? window) === window) {
      setTimeout(() => listener.call(window, new Event('load')));
    } else {
      EventTarget.prototype.addEventListener.call(this ?? window, type, listener, ...options);
    }
  };

  // ---- what the page says

  function show() {
    if (started) {
      return;
    }
    const waited = performance.now() - begun;
    const offline = lost || unreachable || failed.length > 0;
    if (refused) {
      say(
        'The notebook did not open.',
        'The server does not have a part of this page; it may have been updated.'
      );
    } else if (offline) {
      say(
        'Opening the notebook…',
        'The connection is lost. The page goes on loading by itself when it is back.'
      );
    } else if (waited > SLOW_MS) {
      say('Opening the notebook…', 'This takes longer than usual: the connection is slow.');
    } else if (waited >= QUIET_MS) {
      say('Opening the notebook…', '');
    }
    view.querySelector('button').hidden = !refused;
  }

  function say(first, second) {
    // Only when it changes: screen readers announce every change
    for (const [place, text] of [
      [headline, first],
      [detail, second]
    ]) {
      if (place.textContent !== text) {
        place.textContent = text;
      }
    }
  }

  window.addEventListener('error', notice, true);
  document.addEventListener('load', notice, true); // An element's goes no further up.
  window.addEventListener('load', () => (loadEventIsPast = true));
  window.addEventListener('online', () => {
    if (timer) {
      clearTimeout(timer);
      pause = FIRST_PAUSE_MS;
      void ask();
    }
  });
  observer.observe(document.head, { childList: true });
  observer.observe(document.body, { childList: true });
  view.querySelector('button').addEventListener('click', () => location.reload());
  const watching = setInterval(watch, 1_000);
  setTimeout(show, QUIET_MS);
}
