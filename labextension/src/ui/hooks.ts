/** React hooks that follow models. */

import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

/** Render again whenever the signal emits. */
export function useSignal(signal: ISignal<unknown, unknown>): void {
  const [, bump] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    const onEmit = (): void => {
      bump();
    };
    signal.connect(onEmit);
    onEmit();
    return () => {
      signal.disconnect(onEmit);
    };
  }, [signal]);
}

/** Render again every second; return the browser's clock in milliseconds. */
export function useNow(): number {
  const [now, setNow] = React.useState(Date.now);
  React.useEffect(() => {
    const timer = window.setInterval(() => {
      setNow(Date.now());
    }, 1000);
    return () => {
      window.clearInterval(timer);
    };
  }, []);
  return now;
}

/** A function that runs one action at a time, and the text of its last failure. */
export function useAction(): [
  (action: () => Promise<unknown>) => void,
  { busy: boolean; error: string }
] {
  const [busy, setBusy] = React.useState(false);
  const [error, setError] = React.useState('');
  const alive = React.useRef(true);
  React.useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);
  const run = React.useCallback((action: () => Promise<unknown>): void => {
    setBusy(true);
    setError('');
    action()
      .catch((reason: unknown) => {
        if (alive.current) {
          setError(describe(reason));
        }
      })
      .finally(() => {
        if (alive.current) {
          setBusy(false);
        }
      });
  }, []);
  return [run, { busy, error }];
}

function describe(reason: unknown): string {
  if (reason instanceof Error) {
    return 'text' in reason && typeof reason.text === 'string'
      ? reason.text
      : reason.message;
  }
  return String(reason);
}
