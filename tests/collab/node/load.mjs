// Loads the updates of each line of stdin, a JSON array of base64, into a document of its own,
// and answers with a line: what it shows, its state vector and whether anything is pending.
import * as readline from 'node:readline';
import * as Y from 'yjs';

for await (const line of readline.createInterface({ input: process.stdin })) {
  const doc = new Y.Doc();
  for (const update of JSON.parse(line)) {
    Y.applyUpdate(doc, Buffer.from(update, 'base64'));
  }
  const cells = doc.getArray('cells').map(cell =>
    cell instanceof Y.Map
      ? { source: String(cell.get('source')), outputs: cell.get('outputs').toJSON() }
      : null
  );
  const { pendingStructs, pendingDs } = doc.store;
  process.stdout.write(
    JSON.stringify({
      cells,
      state: Object.fromEntries(Y.decodeStateVector(Y.encodeStateVector(doc))),
      pending: pendingStructs !== null || pendingDs !== null
    }) + '\n'
  );
}
