/** Which of JupyterLab's commands there are in a room, which ask first, and which change a notebook. */

import type { CommandRegistry } from '@lumino/commands';
import type { IDisposable } from '@lumino/disposable';

/**
 * Commands that make no sense in a room: they lead out of it, end the kernel of everybody,
 * or would be refused by the server anyway.
 */
const HIDDEN = new RegExp(
  `^(${[
    'application:(close|close-.*|toggle-mode|toggle-left.*|toggle-side.*|reset-layout|activate-.*|toggle-presentation.*)',
    'apputils:(change-font.*|adaptive-.*)',
    'collaboration:.*',
    'console:.*',
    'debugger:.*',
    'docmanager:(?!save$|show-on-open).*',
    'docprovider:.*',
    'editmenu:.*(go-to-line|clear-all).*',
    'extensionmanager:.*',
    'filebrowser:.*',
    'filemenu:.*',
    'fileeditor:.*',
    'help:.*',
    'hub:.*',
    'inspector:.*history.*',
    'kernelmenu:(shutdown|shutdownAll|reconnect-to-kernel|change)',
    'launcher:.*',
    'logconsole:.*',
    'lsp:.*',
    'mainmenu:.*',
    'notebook:(shutdown-kernel|close-and-shutdown|change-kernel|reconnect-to-kernel|get-kernel|create-.*|trust|run-in-console|export.*|copy-to-clipboard|duplicate-below)',
    'plugin-playground:.*',
    'pluginmanager:.*',
    'property-inspector:.*',
    'rendermime:.*',
    'running:.*',
    'settingeditor:.*',
    'sidebar:.*',
    'tabsmenu:.*',
    'terminal:.*',
    'toc:.*show.*',
    'viewmenu:(wrap-.*)',
    'workspace.*:.*'
  ].join('|')})$`
);

/** Commands that change a notebook: its cells, their text, what they have put out. */
const EDITING = new RegExp(
  `^(${[
    'cell-toolbar:delete',
    'docmanager:save',
    'documentsearch:startWithReplace',
    'editmenu:(undo|redo|clear-.*)',
    'notebook:(cut|paste|duplicate|insert|delete|merge|move-cell|split|change-cell|clear|undo|redo|replace)-.*',
    'notebook:(undo|redo)',
    'notebook:access-.*-history-entry',
    'notebook:restart-clear-output'
  ].join('|')})$`
);

/** Commands that run a cell and may insert another one, and what runs it only. */
const RUN_ONLY = 'notebook:run-cell';
const RUN_AND_INSERT: readonly string[] = [
  'notebook:run-cell-and-select-next',
  'notebook:run-cell-and-insert-below'
];

export function isHidden(command: string): boolean {
  return HIDDEN.test(command);
}

/** Asks before a command is carried out; resolves to whether it may. */
export type Question = () => Promise<boolean>;

/**
 * Hide commands from menus, palette and keyboard, and ask before some.
 *
 * JupyterLab carries commands out by itself while it starts; only what people can see or
 * press is hidden, and nothing here is what protects the room.
 */
export function guardCommands(
  commands: CommandRegistry,
  questions: ReadonlyMap<string, Question>
): IDisposable {
  const { isVisible, isEnabled, execute } = commands;
  commands.isVisible = (id, args): boolean =>
    !isHidden(id) && isVisible.call(commands, id, args);
  commands.isEnabled = (id, args): boolean =>
    !isHidden(id) && isEnabled.call(commands, id, args);
  commands.execute = async (id, args): Promise<unknown> => {
    const question = questions.get(id);
    if (question && !(await question())) {
      return undefined;
    }
    return execute.call(commands, id, args);
  };
  return givenBack(commands, { isVisible, isEnabled, execute });
}

/**
 * Have nobody change a notebook who may only read it.
 *
 * The server takes nothing from them, so that they would see another notebook than the others,
 * without a word. What runs a cell and inserts another one only runs it, and so is refused aloud.
 *
 * @param locked - Whether the notebook that commands are about may only be read.
 */
export function guardEditing(
  commands: CommandRegistry,
  locked: () => boolean
): IDisposable {
  const { isEnabled, execute } = commands;
  const refused = (id: string): boolean => EDITING.test(id) && locked();
  commands.isEnabled = (id, args): boolean =>
    !refused(id) && isEnabled.call(commands, id, args);
  commands.execute = async (id, args): Promise<unknown> => {
    if (refused(id)) {
      return undefined;
    }
    const onlyRun = RUN_AND_INSERT.includes(id) && locked();
    return execute.call(commands, onlyRun ? RUN_ONLY : id, args);
  };
  return givenBack(commands, { isEnabled, execute });
}

/** Something whose disposal puts those methods back. */
function givenBack(
  commands: CommandRegistry,
  methods: Partial<CommandRegistry>
): IDisposable {
  let disposed = false;
  return {
    get isDisposed(): boolean {
      return disposed;
    },
    dispose: () => {
      disposed = true;
      Object.assign(commands, methods);
    }
  };
}
