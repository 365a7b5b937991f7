/** A WebSocket of the API that comes back after every interruption. */

import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { Deadline } from './deadline';
import { OPENING_MS } from './sockets';

/** Milliseconds of silence after which the page pings: nobody should type for long into nothing. */
export const PING_MS = 3_000;
/** Milliseconds until the answer; then the connection counts as dead. */
export const ANSWER_MS = 5_000;
const FIRST_DELAY_MS = 250;
const LAST_DELAY_MS = 8_000;

/**
 * Messages of one event socket, as parsed JSON with a `type`.
 *
 * It reconnects by itself with growing pauses until it is disposed, and at once when the
 * browser says that it is online again.
 *
 * A network that swallows everything closes nothing, so silence counts as a loss, too.
 */
export class EventStream<T extends { type: string }> implements IDisposable {
  /**
   * @param connect - Opens a new socket.
   * @param silent - Called when a connection is given up that nobody has closed.
   * @param back - Called when there is a connection after such a one, before its messages.
   */
  constructor(
    private readonly _connect: () => WebSocket,
    private readonly _silent: () => void = () => undefined,
    private readonly _back: () => void = () => undefined
  ) {
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
    // By itself the browser would wait for minutes.
    this._giveUpAfter(OPENING_MS, socket);
    socket.onopen = (): void => {
      this._delay = FIRST_DELAY_MS;
      this._pingLater(socket);
      if (this._wasSilent) {
        this._wasSilent = false;
        this._back();
      }
      this._setConnected(true);
    };
    socket.onmessage = (event: MessageEvent): void => {
      this._pingLater(socket);
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

  private _pingLater(socket: WebSocket): void {
    this._stopWaiting();
    this._ping = window.setTimeout(() => {
      socket.send(JSON.stringify({ type: 'ping' }));
      this._giveUpAfter(ANSWER_MS, socket);
    }, PING_MS);
  }

  private _giveUpAfter(ms: number, socket: WebSocket): void {
    this._stopWaiting();
    this._deadline.set(ms, () => {
      this._wasSilent = true;
      this._silent();
      socket.onclose?.(new CloseEvent('close'));
    });
  }

  private _stopWaiting(): void {
    window.clearTimeout(this._ping);
    this._deadline.clear();
  }

  private _drop(): void {
    window.clearTimeout(this._retry);
    this._stopWaiting();
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
  private _wasSilent = false;
  private _isDisposed = false;
  private _delay = FIRST_DELAY_MS;
  private _retry = 0;
  private readonly _deadline = new Deadline();
  private _ping = 0;
}
