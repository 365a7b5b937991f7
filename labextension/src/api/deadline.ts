/** How long a page waits for its server to say something. */

/** Milliseconds by which a timer is late if the page was busy, and in which it then listens on. */
export const LATE_MS = 1_000;

/** A time after which nothing is waited for; one at a time. */
export class Deadline {
  /** @param passed - Called after `ms`, unless it was cleared or set anew until then. */
  set(ms: number, passed: () => void): void {
    this.clear();
    const due = performance.now() + ms;
    this._timer = window.setTimeout(() => {
      if (performance.now() > due + LATE_MS) {
        // The page itself stood still: what has come meanwhile is heard only now.
        this.set(LATE_MS, passed);
      } else {
        passed();
      }
    }, ms);
  }

  clear(): void {
    window.clearTimeout(this._timer);
  }

  private _timer = 0;
}
