// Brings a small page back that has lost its script or its style with its connection.
//
// This stands in the page itself: whoever has the page has this. A browser asks for each of them
// once, and without its script the page would stay as it is for good.

'use strict';
{
  const FIRST_PAUSE_MS = 1_000;
  const MAX_PAUSE_MS = 16_000;
  /** Milliseconds in which the server has to answer whether it is there. */
  const PROBE_MS = 5_000;
  const SLOW_MS = 15_000;
  /** Times the page is loaded again by itself before whoever sits there is asked to. */
  const MAX_RELOADS = 6;
  const RELOADS = 'interview-page-reloads';

  const styles = []; // that were lost
  let scriptIsLost = false;
  let isWaiting = false;
  let said = '';
  let pause = Math.min(FIRST_PAUSE_MS * 2 ** reloads(), MAX_PAUSE_MS);

  function reloads(set) {
    try {
      if (set !== undefined) {
        sessionStorage.setItem(RELOADS, set);
      }
      return Number(sessionStorage.getItem(RELOADS));
    } catch {
      return MAX_RELOADS; // It cannot be counted.
    }
  }

  function say(text) {
    const place = document.getElementById('problem');
    if (!place || place.textContent === text) {
      return;
    }
    if (text || place.textContent === said) {
      // What the page's own script has said stays.
      place.textContent = text;
      place.hidden = !text;
      said = text;
    }
  }

  /** Whether the server itself answers; a proxy before it that cannot reach it says 502 or 504. */
  async function isThere() {
    try {
      const { status } = await fetch(document.querySelector('link[rel=icon]').href, {
        method: 'HEAD',
        cache: 'no-store',
        signal: AbortSignal.timeout(PROBE_MS)
      });
      return status < 500 && status !== 429;
    } catch {
      return false;
    }
  }

  /** It may be refused by something in between, again and again. */
  function askToLoadAgain() {
    say('A part of this page could not be loaded.');
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Load the page again';
    button.addEventListener('click', () => {
      reloads(0);
      location.reload();
    });
    document.getElementById('problem')?.append(' ', button);
  }

  async function waitForServer() {
    isWaiting = true;
    do {
      say('The connection is lost. The page goes on by itself when it is back.');
      await new Promise(done => setTimeout(done, pause));
      pause = Math.min(2 * pause, MAX_PAUSE_MS);
    } while (!(await isThere()));
    if (scriptIsLost && reloads() >= MAX_RELOADS) {
      askToLoadAgain();
      return;
    }
    if (scriptIsLost) {
      reloads(reloads() + 1);
      location.reload();
      return;
    }
    isWaiting = false;
    say('');
    for (const style of styles.splice(0)) {
      style.parentNode.insertBefore(style, style.nextSibling); // It is fetched anew.
    }
  }

  addEventListener(
    'error',
    ({ target }) => {
      scriptIsLost ||= target instanceof HTMLScriptElement;
      if (target instanceof HTMLLinkElement) {
        styles.push(target);
      }
      if (!isWaiting && (scriptIsLost || styles.length)) {
        void waitForServer();
      }
    },
    true
  );
  const slow = setTimeout(
    () => say('This takes longer than usual. If nothing happens, load the page again.'),
    SLOW_MS
  );
  addEventListener('load', () => {
    clearTimeout(slow);
    if (!isWaiting) {
      say('');
      reloads(0);
    }
  });
}
