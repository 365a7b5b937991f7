/** A WebSocket of the API that comes back after every interruption. */

import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

/** Milliseconds between two pings; a proxy closes what is silent for a minute. */
const PING_MS = 15_000;
/** Milliseconds without any message after which a connection counts as dead. */
const SILENCE_MS = 2.5 * PING_MS;
const FIRST_DELAY_MS = 250;
const LAST_DELAY_MS = 8_000;

/**
 * Messages of one event socket, as parsed JSON with a `type`.
 *
 * It reconnects by itself with growing pauses until it is disposed, and at once when the
 * browser says that it is online again.
 */
export class EventStream<T extends { type: string }> implements IDisposable {
  /** @param connect - Opens a new socket. */
  constructor(private readonly _connect: () => WebSocket) {
    this._onOnline = (): void => {
      if (!this._connected) {
        this._delay = FIRST_DELAY_MS;
        this._open();
      }
    };
    window.addEventListener('online', this._onOnline);
    this._open();
  }

  get message(): ISignal<this, T> {
    return this._message;
  }

  /** Emits when the connection comes or goes. */
  get connectedChanged(): ISignal<this, boolean> {
    return this._connectedChanged;
  }

  get connected(): boolean {
    return this._connected;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.removeEventListener('online', this._onOnline);
    this._drop();
    Signal.clearData(this);
  }

  private _open(): void {
    this._drop();
    const socket = this._connect();
    this._socket = socket;
    socket.onopen = (): void => {
      this._delay = FIRST_DELAY_MS;
      this._heard = Date.now();
      this._pinger = window.setInterval(() => {
        this._ping(socket);
      }, PING_MS);
      this._setConnected(true);
    };
    socket.onmessage = (event: MessageEvent): void => {
      this._heard = Date.now();
      const message: unknown = JSON.parse(String(event.data));
      this._message.emit(message as T);
    };
    socket.onclose = (): void => {
      this._drop();
      this._setConnected(false);
      this._retry = window.setTimeout(() => {
        this._open();
      }, this._delay);
      this._delay = Math.min(2 * this._delay, LAST_DELAY_MS);
    };
  }

  private _ping(socket: WebSocket): void {
    if (Date.now() - this._heard > SILENCE_MS) {
      socket.onclose?.(new CloseEvent('close'));
    } else {
      socket.send(JSON.stringify({ type: 'ping' }));
    }
  }

  private _drop(): void {
    window.clearTimeout(this._retry);
    window.clearInterval(this._pinger);
    const socket = this._socket;
    this._socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private _setConnected(connected: boolean): void {
    if (connected !== this._connected) {
      this._connected = connected;
      this._connectedChanged.emit(connected);
    }
  }

  private readonly _onOnline: () => void;
  private readonly _message = new Signal<this, T>(this);
  private readonly _connectedChanged = new Signal<this, boolean>(this);
  private _socket: WebSocket | null = null;
  private _connected = false;
  private _isDisposed = false;
  private _delay = FIRST_DELAY_MS;
  private _heard = 0;
  private _retry = 0;
  private _pinger = 0;
}
