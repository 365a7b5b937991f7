// A stock page: yjs and y-websocket as JupyterLab's document client uses them.
// Commands come as lines of JSON on stdin, events go as lines of JSON to stdout.
import * as readline from 'node:readline';
import WebSocket from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';

const [, , serverUrl, room, before = ''] = process.argv;
const doc = new Y.Doc();
const text = doc.getText('source');
const tell = event => process.stdout.write(JSON.stringify(event) + '\n');

if (before) {
  text.insert(0, before);
}
doc.on('update', () => tell({ text: text.toString() }));

const provider = new WebsocketProvider(serverUrl, room, doc, {
  disableBc: true,
  WebSocketPolyfill: WebSocket
});
provider.awareness.setLocalStateField('user', { name: 'somebody else' });
provider.on('status', ({ status }) => tell({ status }));
provider.on('connection-close', event => tell({ closed: event ? event.code : null }));
provider.on('sync', synced => {
  tell({ synced });
  if (synced) {
    // What @jupyter/docprovider does, also when it only looks.
    doc.getMap('state').set('document_id', provider.roomname);
  }
});
provider.awareness.on('change', () =>
  tell({
    present: Object.fromEntries(
      [...provider.awareness.getStates()].map(([id, state]) => [id, state.user?.name])
    )
  })
);
process.on('uncaughtException', error => tell({ error: String(error.stack) }));
tell({ client: doc.clientID });

const commands = {
  type: ({ letters }) => [...letters].forEach(l => text.insert(text.length, l)),
  delete: ({ start, length }) => text.delete(start, length),
  disconnect: () => provider.disconnect(),
  connect: () => provider.connect(),
  drop: () => provider.ws.terminate(),
  report: () =>
    tell({
      report: {
        text: text.toString(),
        pending: doc.store.pendingStructs !== null || doc.store.pendingDs !== null
      }
    })
};
readline
  .createInterface({ input: process.stdin })
  .on('line', line => {
    const command = JSON.parse(line);
    commands[command.do](command);
  })
  .on('close', () => process.exit(0));
