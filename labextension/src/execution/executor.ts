/** Runs cells by asking the server, which writes their outputs into the shared document. */

import type { Cell, ICodeCellModel, MarkdownCell } from '@jupyterlab/cells';
import type { INotebookCellExecutor } from '@jupyterlab/notebook';
import { isError } from '@jupyterlab/nbformat';
import { KernelError } from '@jupyterlab/notebook';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import { ApiError } from '../api/errors';
import type { NewRun, Run } from '../api/types';
import { sha256 } from './digest';

/**
 * Milliseconds for which a run waits for the keystrokes before it to reach the server.
 *
 * After an interruption they travel on a socket that opens only then. The server waits, too, but
 * only for as long as keystrokes take on a network that works.
 */
const ARRIVAL_MS = 20_000;
const PAUSE_MS = 500;

/** What runs cells: the room; `RoomModel` is one. */
export interface Runner {
  submit(run: NewRun): Promise<Run>;
  ended(run: Run): Promise<Run>;
}

/** A run that the server refused. */
export interface Refusal {
  cell: Cell;
  error: ApiError;
}

/**
 * The room's cell executor.
 *
 * Run All calls `runCell` for every cell at once. They are submitted one after another, in
 * that order, and those that still wait are given up once one has failed: the server
 * clears what it has already queued behind an error, and nothing may slip in after it.
 */
export class RoomExecutor implements INotebookCellExecutor {
  /** @param documentOf - The server's id of the document a cell is in; null if it has none. */
  constructor(
    private readonly _runner: Runner,
    private readonly _documentOf: (cell: Cell) => string | null
  ) {}

  /** Emits when the server refused to run a cell. */
  get refused(): ISignal<this, Refusal> {
    return this._refused;
  }

  async runCell(options: INotebookCellExecutor.IRunCellOptions): Promise<boolean> {
    const { cell, onCellExecuted } = options;
    if (cell.model.type === 'markdown') {
      (cell as MarkdownCell).rendered = true;
      cell.inputHidden = false;
      onCellExecuted({ cell, success: true });
      return true;
    }
    return cell.model.type === 'code' ? this._runCode(options) : true;
  }

  private async _runCode(
    options: INotebookCellExecutor.IRunCellOptions
  ): Promise<boolean> {
    const { cell, notebook, onCellExecuted, onCellExecutionScheduled } = options;
    const source = cell.model.sharedModel.getSource();
    if (source.trim() === '') {
      if (!notebook.readOnly) {
        cell.model.sharedModel.transact(() => {
          (cell.model as ICodeCellModel).clearExecution();
        }, false);
      }
      return true;
    }
    onCellExecutionScheduled({ cell });
    let run: Run | null;
    try {
      run = await this._enqueue(cell, source);
    } catch (reason) {
      this._failures++;
      onCellExecuted({ cell, success: false });
      this._refused.emit({ cell, error: ApiError.from(reason) });
      return false;
    }
    if (run === null) {
      onCellExecuted({ cell, success: false });
      return false;
    }
    return this._finish(await this._runner.ended(run), options);
  }

  /** Submit in the order of calls; null if a failure came in between. */
  private _enqueue(cell: Cell, source: string): Promise<Run | null> {
    const failures = this._failures;
    const isOff = (): boolean => failures !== this._failures || cell.isDisposed;
    const submitted = this._last.then(async () => {
      if (isOff()) {
        return null;
      }
      const document = this._documentOf(cell);
      if (document === null) {
        throw new ApiError(
          0,
          'no_document',
          'This notebook does not belong to the interview.'
        );
      }
      const run = {
        document,
        cell_id: cell.model.sharedModel.getId(),
        source_sha256: await sha256(source)
      };
      return this._submit(run, isOff);
    });
    this._last = submitted.then(
      () => undefined,
      () => undefined // The caller of this run gets the reason.
    );
    return submitted;
  }

  /** Submit as soon as the server has what the page showed; null if it is off until then. */
  private async _submit(run: NewRun, isOff: () => boolean): Promise<Run | null> {
    const until = Date.now() + ARRIVAL_MS;
    while (!isOff()) {
      try {
        return await this._runner.submit(run);
      } catch (reason) {
        const coming = reason instanceof ApiError && reason.code === 'source_mismatch';
        if (!coming || Date.now() >= until) {
          throw reason;
        }
      }
      await new Promise(resolve => window.setTimeout(resolve, PAUSE_MS));
    }
    return null;
  }

  private _finish(
    run: Run,
    { cell, onCellExecuted }: INotebookCellExecutor.IRunCellOptions
  ): boolean {
    if (run.state === 'done') {
      onCellExecuted({ cell, success: true });
      return true;
    }
    this._failures++;
    if (cell.isDisposed || run.state === 'cleared' || run.state === 'interrupted') {
      onCellExecuted({ cell, success: false });
      return false;
    }
    const error = new KernelError(failure(run, cell));
    onCellExecuted({ cell, success: false, error });
    throw error;
  }

  private readonly _refused = new Signal<this, Refusal>(this);
  private _last: Promise<void> = Promise.resolve();
  private _failures = 0;
}

/** The error that ended a run, as the kernel put it if its output is here already. */
function failure(run: Run, cell: Cell): ConstructorParameters<typeof KernelError>[0] {
  const outputs = (cell.model as ICodeCellModel).outputs;
  let error = { ename: 'Error', evalue: run.death ?? '', traceback: [] as string[] };
  for (let index = 0; index < outputs.length; index++) {
    const output = outputs.get(index).toJSON();
    if (isError(output)) {
      error = output;
    }
  }
  return {
    status: 'error',
    execution_count: run.execution_count,
    ename: error.ename,
    evalue: error.evalue,
    traceback: error.traceback
  };
}
