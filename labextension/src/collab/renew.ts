/** A new socket for a document whose old one may be dead without anybody having said so. */

/** The part of y-websocket's `WebsocketProvider` that is needed for it. */
export interface SocketProvider {
  readonly ws: Pick<
    WebSocket,
    'onopen' | 'onmessage' | 'onclose' | 'onerror' | 'close' | 'readyState'
  > | null;
  /** When the last message came, in milliseconds. */
  readonly wsLastMessageReceived: number;
}

/**
 * Have the provider connect anew, unless something has come since `lostAt`.
 *
 * A network that swallows everything closes nothing: y-websocket notices after 30 s. What
 * the room's events socket has found out helps it. The provider's own handler of a closed socket then does what it always does.
 *
 * @param lostAt - When the room's connection was lost; with `Infinity`, connect in any case.
 */
export function renew(provider: SocketProvider, lostAt: number): void {
  const { ws } = provider;
  if (ws === null) {
    return; // It is about to try again.
  }
  if (ws.readyState === WebSocket.OPEN && provider.wsLastMessageReceived >= lostAt) {
    return;
  }
  const { onclose } = ws;
  ws.onopen = ws.onmessage = ws.onclose = ws.onerror = null;
  ws.close();
  onclose?.call(ws as WebSocket, new CloseEvent('close'));
}
