/** The room's container: how it is, what it uses, why it died, and how to stop or restart it. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Sandbox } from '../api/types';
import { clock } from '../rooms/countdown';
import type { RoomModel } from '../rooms/model';
import { preparationText } from '../rooms/Packages';
import { runningRun } from '../rooms/runs';
import { megabytes, timeOfDay } from '../rooms/words';
import { useAction, useNow } from '../ui/hooks';
import { Button, Problem, Section } from '../ui/parts';
import { isolationText, surroundings } from './isolation';
import { restText } from './rest';

/** Seconds that a host gives a running cell at a press. */
const MORE_S = 120;
/** Milliseconds before the end of its time at which a cell's countdown stands out. */
const SOON_MS = 30_000;

interface Props {
  model: RoomModel;
  trans: TranslationBundle;
  /** Runs the cells above the one in which the kernel ended. */
  runAbove: () => Promise<void>;
}

export function SandboxView(props: Props): React.ReactElement | null {
  const { model, trans, runAbove } = props;
  const [act, { busy, error }] = useAction();
  const sandbox = model.sandbox;
  if (['ended', 'archived'].includes(model.room?.state ?? '')) {
    return (
      <Section title={trans.__('Sandbox')} className="jp-Interview-Sandbox">
        <div className="jp-Interview-Sandbox-state">
          <span className="jp-Interview-Dot" data-state="off" aria-hidden="true" />
          {trans.__('Removed at the end')}
        </div>
      </Section>
    );
  }
  if (sandbox === null || !model.may('kernel:watch')) {
    return null;
  }
  const running = sandbox.state === 'ready' || sandbox.state === 'busy';
  // What an answer said of a cell is over sooner than the next answer comes; runs are told at once.
  const state = running ? (model.busy ? 'busy' : 'ready') : sandbox.state;
  const frozen = running && model.room?.state === 'paused';
  return (
    <Section title={trans.__('Sandbox')} className="jp-Interview-Sandbox">
      <div className="jp-Interview-Sandbox-state">
        <span
          className="jp-Interview-Dot"
          data-state={frozen ? 'frozen' : state}
          aria-hidden="true"
        />
        {frozen ? trans.__('Frozen') : stateText(state, trans)}
        <span className="jp-Interview-Sandbox-kind">
          {isolationText(sandbox.isolation, trans)}
        </span>
      </div>
      {sandbox.notice && (
        <p className="jp-Interview-Sandbox-notice" role="status">
          {sandbox.notice}
        </p>
      )}
      <Preparing model={model} trans={trans} />
      {sandbox.rests_at !== null && (
        <div className="jp-Interview-Sandbox-rest">
          <span>{restText(sandbox.rests_at, trans)}</span>
          {model.may('run') && (
            <Button
              disabled={busy}
              onClick={() => {
                act(() => model.keepKernel());
              }}
            >
              {trans.__('Keep it')}
            </Button>
          )}
        </div>
      )}
      {sandbox.engine.message && (
        <Problem text={`${sandbox.engine.message} ${sandbox.engine.hint}`} />
      )}
      {running && <Usage sandbox={sandbox} trans={trans} />}
      <Limits sandbox={sandbox} packages={model.room?.packages ?? []} trans={trans} />
      <TimeLeft model={model} trans={trans} />
      {sandbox.death && (
        <p className="jp-Interview-Sandbox-death" role="status">
          {trans.__(
            'Ended at %1: %2. All variables are gone.',
            timeOfDay(Date.parse(sandbox.death.at)),
            (sandbox.death.detail || sandbox.death.reason).replace(/\.$/, '')
          )}
        </p>
      )}
      {model.may('run') && model.lost !== null && (
        <div className="jp-Interview-Buttons">
          <Button
            kind="accept"
            disabled={busy}
            onClick={() => {
              act(runAbove);
            }}
          >
            {model.lost.within
              ? trans.__('Run the cells above again')
              : trans.__('Run the cells again')}
          </Button>
        </div>
      )}
      {model.may('run') && sandbox.engine.available && (
        <div className="jp-Interview-Buttons">
          <Button
            disabled={busy || !model.busy}
            onClick={() => {
              act(() => model.interruptKernel());
            }}
          >
            {trans.__('Interrupt')}
          </Button>
          <Button
            disabled={busy}
            onClick={() => {
              act(async () => {
                if (await confirmRestart(trans)) {
                  await model.restartKernel();
                }
              });
            }}
          >
            {trans.__('Restart…')}
          </Button>
        </div>
      )}
      {sandbox.pool && <Pool pool={sandbox.pool} trans={trans} />}
      {error && <Problem text={error} />}
    </Section>
  );
}

/** For those who lead: how far the room's packages are, or why they are not to be had. */
function Preparing(props: {
  model: RoomModel;
  trans: TranslationBundle;
}): React.ReactElement | null {
  const { model, trans } = props;
  const { room } = model;
  if (!room?.preparation || !model.may('room:manage')) {
    return null;
  }
  const text = preparationText(room, trans);
  switch (room.preparation.state) {
    case 'failed':
      return <Problem text={text} />;
    case 'building':
      return <p className="jp-Interview-Sandbox-notice">{text}</p>;
    default:
      return null;
  }
}

/** How long the running cell may still run; whoever leads gives it more. */
function TimeLeft(props: {
  model: RoomModel;
  trans: TranslationBundle;
}): React.ReactElement | null {
  const { model, trans } = props;
  useNow();
  const [act, { busy, error }] = useAction();
  const run = runningRun(model.runs);
  if (!run?.deadline_at) {
    return null;
  }
  const left = Math.max(0, Date.parse(run.deadline_at) - model.now);
  return (
    <div className="jp-Interview-TimeLeft" data-soon={left < SOON_MS}>
      <span>{trans.__('The running cell has %1 left', clock(left))}</span>
      {model.may('room:manage') && (
        <Button
          disabled={busy}
          onClick={() => {
            act(() => model.extendRun(run.id, MORE_S));
          }}
        >
          {trans.__('2 more minutes')}
        </Button>
      )}
      {error && <Problem text={error} />}
    </div>
  );
}

/** Ask before all variables of everybody in the room are thrown away. */
export async function confirmRestart(trans: TranslationBundle): Promise<boolean> {
  const result = await showDialog({
    title: trans.__('Restart the kernel?'),
    body: trans.__(
      'Everybody in the room loses all variables. The notebook stays as it is.'
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep it running') }),
      Dialog.warnButton({ label: trans.__('Restart') })
    ],
    defaultButton: 0
  });
  return result.button.accept;
}

function Usage(props: {
  sandbox: Sandbox;
  trans: TranslationBundle;
}): React.ReactElement {
  const { sandbox, trans } = props;
  const { limits, usage } = sandbox;
  const memory = usage?.memory_bytes ?? 0;
  const cpu = usage?.cpu ?? 0;
  return (
    <dl className="jp-Interview-Usage">
      <dt>{trans.__('Memory')}</dt>
      <dd>
        <meter
          min={0}
          max={limits.memory_bytes}
          high={0.85 * limits.memory_bytes}
          optimum={0}
          value={memory}
          aria-label={trans.__('Memory')}
        />
        {usage
          ? trans.__('%1 of %2', megabytes(memory), megabytes(limits.memory_bytes))
          : trans.__('up to %1', megabytes(limits.memory_bytes))}
      </dd>
      <dt>{trans.__('Processor')}</dt>
      <dd>
        <meter
          min={0}
          max={limits.cpus}
          value={Math.min(cpu, limits.cpus)}
          aria-label={trans.__('Processor')}
        />
        {trans.__('%1% of %2 CPU', Math.round(100 * cpu), limits.cpus)}
      </dd>
    </dl>
  );
}

/** What a cell can count on, and what it cannot have. */
function Limits(props: {
  sandbox: Sandbox;
  packages: readonly string[];
  trans: TranslationBundle;
}): React.ReactElement {
  const { sandbox, packages, trans } = props;
  const { limits } = sandbox;
  const rows: [string, string][] = [
    [trans.__('Memory'), megabytes(limits.memory_bytes)],
    [trans.__('Processor'), trans.__('%1 CPU', limits.cpus)],
    [trans.__('Processes'), String(limits.pids)]
  ];
  if (limits.work_bytes !== undefined) {
    rows.push([trans.__('Files'), megabytes(limits.work_bytes)]);
  }
  if (limits.run_s !== undefined) {
    rows.push([trans.__('Time per cell'), clock(1000 * limits.run_s)]);
  }
  if (packages.length) {
    rows.push([trans.__('Packages besides'), packages.join(', ')]);
  }
  rows.push(...surroundings(sandbox.isolation, trans));
  return (
    <details className="jp-Interview-Limits">
      <summary>{trans.__('Limits')}</summary>
      <dl>
        {rows.map(([name, value]) => (
          <React.Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
      </dl>
    </details>
  );
}

/** For those who lead: whether the next sandbox will be there at once. */
function Pool(props: {
  pool: NonNullable<Sandbox['pool']>;
  trans: TranslationBundle;
}): React.ReactElement {
  const { pool, trans } = props;
  const waiting = pool.waiting
    ? trans._n('%1 room waits', '%1 rooms wait', pool.waiting)
    : trans.__('no room waits');
  return (
    <p className="jp-Interview-Sandbox-pool">
      {trans.__('On this server: %1 of %2 kept ready', pool.warm, pool.target)}
      {', '}
      {waiting}
    </p>
  );
}

function stateText(state: Sandbox['state'], trans: TranslationBundle): string {
  const texts: Record<Sandbox['state'], string> = {
    off: trans.__('Starts with the first cell'),
    starting: trans.__('Starting…'),
    ready: trans.__('Ready'),
    busy: trans.__('Running'),
    dead: trans.__('Ended')
  };
  return texts[state];
}
