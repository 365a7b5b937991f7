// Many stock pages in one process: yjs and y-websocket as JupyterLab's document client uses them.
// Commands come as lines of JSON on stdin, events go as lines of JSON to stdout.
import * as readline from 'node:readline';
import WebSocket from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';

const pages = new Map();
const tell = event => process.stdout.write(JSON.stringify(event) + '\n');

class Page {
  constructor({ page, url, room, headers }) {
    this.id = page;
    this.doc = new Y.Doc();
    const Socket = class extends WebSocket {
      constructor(address, protocols) {
        super(address, protocols, { headers });
      }
    };
    this.provider = new WebsocketProvider(url, room, this.doc, {
      disableBc: true,
      WebSocketPolyfill: Socket
    });
    this.provider.awareness.setLocalStateField('user', { name: 'somebody else' });
    this.provider.on('sync', synced => {
      if (synced) {
        // What @jupyter/docprovider does.
        this.doc.getMap('state').set('document_id', this.provider.roomname);
      }
      tell({ page, synced, client: this.doc.clientID });
    });
  }

  get source() {
    return this.doc.getArray('cells').get(0)?.get('source');
  }

  type({ letter }) {
    const source = this.source;
    const clock = Y.getState(this.doc.store, this.doc.clientID);
    this.edit(() => source.insert(source.length, letter));
    this.point(source.length);
    tell({ page: this.id, typed: letter, client: this.doc.clientID, clock });
  }

  delete({ letter }) {
    const source = this.source;
    const place = source.toString().indexOf(letter);
    if (place >= 0) {
      this.edit(() => source.delete(place, 1));
      this.point(place);
    }
    tell({ page: this.id, deleted: letter, found: place >= 0 });
  }

  // As JupyterLab's editor does it, in one update.
  edit(change) {
    this.doc.transact(() => {
      change();
      this.doc.getMap('state').set('dirty', true);
    });
  }

  point(index) {
    const head = Y.createRelativePositionFromTypeIndex(this.source, index);
    this.provider.awareness.setLocalStateField('cursors', [{ anchor: head, head, primary: true }]);
  }

  report({ number }) {
    const { pendingStructs, pendingDs } = this.doc.store;
    tell({
      page: this.id,
      report: number,
      cells: this.doc.getArray('cells').toJSON(),
      pending: pendingStructs !== null || pendingDs !== null,
      connected: this.provider.wsconnected && this.provider.synced
    });
  }

  // The browser's tab is closed: what has not been sent is gone.
  close() {
    this.provider.ws?.terminate();
    this.provider.destroy();
    this.doc.destroy();
    pages.delete(this.id);
    tell({ page: this.id, closed: true });
  }
}

process.on('uncaughtException', error => tell({ error: String(error.stack) }));
readline
  .createInterface({ input: process.stdin })
  .on('line', line => {
    const command = JSON.parse(line);
    if (command.do === 'open') {
      pages.set(command.page, new Page(command));
    } else {
      pages.get(command.page)[command.do](command);
    }
  })
  .on('close', () => process.exit(0));
