import {
  CodeCell,
  CodeCellModel,
  MarkdownCell,
  MarkdownCellModel
} from '@jupyterlab/cells';
import type { Cell } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import { KernelError, NotebookModel, StaticNotebook } from '@jupyterlab/notebook';
import { NBTestUtils } from '@jupyterlab/notebook/lib/testutils';
import { PromiseDelegate } from '@lumino/coreutils';

import { ApiError } from '../src/api/errors';
import type { NewRun, Run } from '../src/api/types';
import type { Runner } from '../src/execution/executor';
import { RoomExecutor } from '../src/execution/executor';
import { sha256 } from '../src/execution/digest';
import { makeRun } from './fixtures';

/** A room whose runs end when the test says so. */
class Room implements Runner {
  readonly submitted: NewRun[] = [];
  readonly ends: PromiseDelegate<Run>[] = [];
  refusal: ApiError | null = null;

  submit(run: NewRun): Promise<Run> {
    this.submitted.push(run);
    this.ends.push(new PromiseDelegate<Run>());
    return this.refusal
      ? Promise.reject(this.refusal)
      : Promise.resolve(makeRun({ id: `run_${this.submitted.length}` }));
  }

  ended(run: Run): Promise<Run> {
    return this.ends[Number(run.id.slice(4)) - 1]!.promise;
  }

  end(index: number, changes: Partial<Run>): void {
    this.ends[index]!.resolve(makeRun({ id: `run_${index + 1}`, ...changes }));
  }
}

const contentFactory = NBTestUtils.createBaseCellFactory();
const rendermime = NBTestUtils.defaultRenderMime();

function codeCell(source: string): CodeCell {
  const model = new CodeCellModel();
  model.sharedModel.setSource(source);
  return new CodeCell({ model, contentFactory, rendermime });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise(resolve => setTimeout(resolve));
  }
}

describe('RoomExecutor', () => {
  let room: Room;
  let executor: RoomExecutor;
  let notebook: INotebookModel;
  let log: string[];
  let refusals: ApiError[];

  const run = (cell: Cell): Promise<boolean> =>
    executor.runCell({
      cell,
      notebook,
      notebookConfig: StaticNotebook.defaultNotebookConfig,
      onCellExecutionScheduled: () => log.push('scheduled'),
      onCellExecuted: ({ success, error }) =>
        log.push(`executed ${success} ${error?.errorName ?? ''}`.trim())
    });

  beforeEach(() => {
    room = new Room();
    executor = new RoomExecutor(room, () => 'doc_a');
    notebook = new NotebookModel();
    log = [];
    refusals = [];
    executor.refused.connect((_, { error }) => refusals.push(error));
  });

  it('asks the server to run what is on the screen, and ends with it', async () => {
    const cell = codeCell('x = "é"');
    const done = run(cell);
    await until(() => room.submitted.length === 1);
    expect(room.submitted).toEqual([
      {
        document: 'doc_a',
        cell_id: cell.model.id,
        source_sha256: await sha256('x = "é"')
      }
    ]);
    expect(log).toEqual(['scheduled']);
    room.end(0, { state: 'done' });
    expect(await done).toBe(true);
    expect(log).toEqual(['scheduled', 'executed true']);
  });

  it('freezes the source at the call: what is typed afterwards is not run', async () => {
    const cell = codeCell('before');
    void run(cell);
    cell.model.sharedModel.setSource('after');
    await until(() => room.submitted.length === 1);
    expect(room.submitted[0]!.source_sha256).toBe(await sha256('before'));
  });

  it('submits in the order of the calls, however long each takes', async () => {
    const cells = ['a = 1', 'b = 2', 'c = 3'].map(codeCell);
    const gate = new PromiseDelegate<void>();
    const submit = room.submit.bind(room);
    room.submit = async (newRun): Promise<Run> => {
      if (newRun.cell_id === cells[0]!.model.id) {
        await gate.promise;
      }
      return submit(newRun);
    };
    cells.forEach(cell => void run(cell));
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(room.submitted).toHaveLength(0);
    gate.resolve();
    await until(() => room.submitted.length === 3);
    expect(room.submitted.map(({ cell_id }) => cell_id)).toEqual(
      cells.map(cell => cell.model.id)
    );
  });

  it('throws the kernel’s error, so that Run All stops', async () => {
    const cell = codeCell('1/0');
    cell.model.sharedModel.setOutputs([
      { output_type: 'error', ename: 'ZeroDivisionError', evalue: 'oh', traceback: [] }
    ]);
    const done = run(cell);
    await until(() => room.ends.length === 1);
    room.end(0, { state: 'error' });
    await expect(done).rejects.toThrow(KernelError);
    expect(log).toEqual(['scheduled', 'executed false ZeroDivisionError']);
  });

  it('gives up what still waits behind a failure', async () => {
    const gate = new PromiseDelegate<void>();
    const submit = room.submit.bind(room);
    room.submit = async (newRun): Promise<Run> => {
      const accepted = await submit(newRun);
      if (room.submitted.length === 2) {
        await gate.promise;
      }
      return accepted;
    };
    const runs = ['1/0', 'b', 'c'].map(source => run(codeCell(source)));
    await until(() => room.submitted.length === 2);
    room.end(0, { state: 'error' });
    await expect(runs[0]).rejects.toThrow(KernelError);
    gate.resolve();
    room.end(1, { state: 'cleared' });
    expect(await runs[1]).toBe(false);
    expect(await runs[2]).toBe(false);
    expect(room.submitted).toHaveLength(2);
  });

  it('runs again after a failure', async () => {
    const failing = run(codeCell('1/0'));
    await until(() => room.ends.length === 1);
    room.end(0, { state: 'error' });
    await expect(failing).rejects.toThrow(KernelError);
    const next = run(codeCell('2'));
    await until(() => room.ends.length === 2);
    room.end(1, { state: 'done' });
    expect(await next).toBe(true);
  });

  it('says why the server refused', async () => {
    room.refusal = new ApiError(409, 'room_not_live', 'It is paused.', 'Wait.');
    expect(await run(codeCell('x'))).toBe(false);
    expect(refusals.map(({ text }) => text)).toEqual(['It is paused. Wait.']);
    expect(log).toEqual(['scheduled', 'executed false']);
  });

  it('waits for what was typed before an interruption to reach the server', async () => {
    const submit = room.submit.bind(room);
    let times = 0;
    room.submit = newRun =>
      ++times < 3
        ? Promise.reject(new ApiError(409, 'source_mismatch', 'It is another.'))
        : submit(newRun);
    const done = run(codeCell('1'));
    await until(() => room.submitted.length === 1);
    room.end(0, { state: 'done' });
    expect(await done).toBe(true);
    expect(times).toBe(3);
    expect(refusals).toEqual([]);
  });

  it('gives up what waits for its keystrokes when a run before it fails', async () => {
    const submit = room.submit.bind(room);
    let times = 0;
    room.submit = newRun =>
      times++ === 0
        ? submit(newRun)
        : Promise.reject(new ApiError(409, 'source_mismatch', 'It is another.'));
    const first = run(codeCell('1/0')).catch(() => false);
    const second = run(codeCell('2'));
    await until(() => times > 1);
    room.end(0, { state: 'error' });
    expect(await first).toBe(false);
    expect(await second).toBe(false);
    expect(room.submitted).toHaveLength(1);
    expect(refusals).toEqual([]);
  });

  it('says in the end that the server has something else', async () => {
    const refusal = new ApiError(409, 'source_mismatch', 'It is another.');
    room.refusal = refusal;
    const now = Date.now.bind(Date);
    const clock = jest
      .spyOn(Date, 'now')
      .mockImplementation(() => now() + 15_000 * room.submitted.length);
    expect(await run(codeCell('1'))).toBe(false);
    clock.mockRestore();
    expect(room.submitted).toHaveLength(2);
    expect(refusals).toEqual([refusal]);
  });

  it('refuses cells of a notebook that is not the room’s', async () => {
    executor = new RoomExecutor(room, () => null);
    executor.refused.connect((_, { error }) => refusals.push(error));
    expect(await run(codeCell('x'))).toBe(false);
    expect(refusals[0]?.code).toBe('no_document');
    expect(room.submitted).toHaveLength(0);
  });

  it('fails with the reason when the kernel ends in mid-run', async () => {
    const done = run(codeCell('x'));
    await until(() => room.ends.length === 1);
    room.end(0, { state: 'died', death: 'memory limit' });
    await expect(done).rejects.toThrow('memory limit');
  });

  it.each(['interrupted', 'cleared'] as const)(
    'ends without an error when %s',
    async state => {
      const done = run(codeCell('x'));
      await until(() => room.ends.length === 1);
      room.end(0, { state });
      expect(await done).toBe(false);
    }
  );

  it('clears an empty cell without asking', async () => {
    const cell = codeCell('  \n');
    cell.model.sharedModel.setOutputs([
      { output_type: 'stream', name: 'stdout', text: 'old' }
    ]);
    expect(await run(cell)).toBe(true);
    expect(cell.model.outputs.length).toBe(0);
    expect(room.submitted).toHaveLength(0);
  });

  it('renders Markdown in the page', async () => {
    const cell = new MarkdownCell({
      model: new MarkdownCellModel(),
      contentFactory,
      rendermime
    });
    cell.rendered = false;
    expect(await run(cell)).toBe(true);
    expect(cell.rendered).toBe(true);
  });
});
