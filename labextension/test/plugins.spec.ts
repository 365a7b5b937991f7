import { CommandRegistry } from '@lumino/commands';

import chosen, { hostPlugins, roomPlugins } from '../src';
import { guardCommands, guardEditing, isHidden } from '../src/rooms/commands';

describe('the plugins', () => {
  it.each([
    ['host', hostPlugins],
    ['room', roomPlugins]
  ])('of a %s’s page have ids of their own and descriptions', (_, plugins) => {
    const ids = plugins.map(plugin => plugin.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const plugin of plugins) {
      expect(plugin.id).toMatch(/^jupyter-interview-rooms:/);
      expect(plugin.description).toBeTruthy();
    }
  });

  it('of a room replace nothing outside a room', () => {
    expect(chosen).toBe(hostPlugins);
    expect(hostPlugins.map(plugin => plugin.id)).not.toContain(
      'jupyter-interview-rooms:executor'
    );
  });
});

describe('guardCommands', () => {
  let commands: CommandRegistry;
  let done: string[];

  beforeEach(() => {
    commands = new CommandRegistry();
    done = [];
    for (const id of [
      'notebook:delete-cell',
      'notebook:shutdown-kernel',
      'notebook:run-cell'
    ]) {
      commands.addCommand(id, { execute: () => done.push(id) });
    }
  });

  it('hides what ends the kernel of everybody', () => {
    guardCommands(commands, new Map());
    expect(commands.isVisible('notebook:shutdown-kernel')).toBe(false);
    expect(commands.isEnabled('notebook:shutdown-kernel')).toBe(false);
    expect(commands.isVisible('notebook:run-cell')).toBe(true);
  });

  it.each([true, false])('asks first, and does it only then (%s)', async answer => {
    guardCommands(
      commands,
      new Map([['notebook:delete-cell', () => Promise.resolve(answer)]])
    );
    await commands.execute('notebook:delete-cell');
    expect(done).toEqual(answer ? ['notebook:delete-cell'] : []);
  });

  it('gives everything back when disposed', async () => {
    const guard = guardCommands(
      commands,
      new Map([['notebook:delete-cell', () => Promise.resolve(false)]])
    );
    guard.dispose();
    await commands.execute('notebook:delete-cell');
    expect(done).toEqual(['notebook:delete-cell']);
  });

  it.each([
    'docmanager:save',
    'notebook:restart-kernel',
    'completer:invoke',
    'tooltip:launch-notebook'
  ])('leaves %s', id => {
    expect(isHidden(id)).toBe(false);
  });
});

describe('guardEditing', () => {
  const RUN = ['run-cell', 'run-cell-and-select-next', 'run-cell-and-insert-below'];
  const READ = [...RUN, 'copy-cell', 'hide-cell-outputs', 'move-cursor-down'];
  const CHANGE = [
    'cut-cell',
    'delete-cell',
    'insert-cell-above',
    'insert-cell-below',
    'insert-heading-below',
    'paste-cell-below',
    'paste-text',
    'cut-selected-text',
    'replace-selection',
    'move-cell-up',
    'move-cell-down',
    'merge-cells',
    'merge-cell-above',
    'split-cell-at-cursor',
    'change-cell-to-markdown',
    'change-cell-to-heading-1',
    'clear-cell-output',
    'clear-all-cell-outputs',
    'undo',
    'undo-cell-action',
    'redo-cell-action'
  ];
  let commands: CommandRegistry;
  let done: string[];
  let locked: boolean;

  beforeEach(() => {
    commands = new CommandRegistry();
    done = [];
    locked = true;
    for (const name of [...READ, ...CHANGE]) {
      commands.addCommand(`notebook:${name}`, { execute: () => done.push(name) });
    }
    guardEditing(commands, () => locked);
  });

  it.each(CHANGE)('has nobody do %s who may only read', async name => {
    expect(commands.isEnabled(`notebook:${name}`)).toBe(false);
    await commands.execute(`notebook:${name}`);
    expect(done).toEqual([]);
    locked = false;
    expect(commands.isEnabled(`notebook:${name}`)).toBe(true);
    await commands.execute(`notebook:${name}`);
    expect(done).toEqual([name]);
  });

  it.each(READ)('leaves %s', name => {
    expect(commands.isEnabled(`notebook:${name}`)).toBe(true);
  });

  it.each(RUN)('inserts nothing by %s', async name => {
    await commands.execute(`notebook:${name}`);
    expect(done).toEqual(['run-cell']);
    locked = false;
    await commands.execute(`notebook:${name}`);
    expect(done).toEqual(['run-cell', name]);
  });
});
