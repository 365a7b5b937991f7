/** Which of JupyterLab's commands there are in a room, and which ask first. */

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
  let disposed = false;
  return {
    get isDisposed(): boolean {
      return disposed;
    },
    dispose: () => {
      disposed = true;
      Object.assign(commands, { isVisible, isEnabled, execute });
    }
  };
}
