/**
 * The plugins of this package; each is defined in a file of its own and only
 * wires tokens to models and widgets.
 *
 * A page is either a room or somebody's own JupyterLab, and each has its own list: a
 * room's plugins replace some of JupyterLab's, which nobody wants outside.
 */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { branchPlugin } from './collab/branchPlugin';
import { leavingPlugin } from './collab/leavingPlugin';
import { notebookPlugin } from './collab/notebookPlugin';
import { originPlugin } from './collab/originPlugin';
import { providerPlugin } from './collab/providerPlugin';
import { savedPlugin } from './collab/savedPlugin';
import { typingPlugin } from './collab/typingPlugin';
import { openPlugin } from './door/openPlugin';
import { renderersPlugin, sanitizerPlugin } from './door/renderPlugin';
import { settingsPlugin, uplinkPlugin } from './door/uplinkPlugin';
import { windowPlugin } from './door/windowPlugin';
import { againPlugin } from './execution/againPlugin';
import { executorPlugin } from './execution/executorPlugin';
import { inputPlugin } from './execution/inputPlugin';
import { kernelPlugin } from './execution/kernelPlugin';
import { networkPlugin } from './execution/networkPlugin';
import { restPlugin } from './execution/restPlugin';
import { announcerPlugin } from './rooms/announcerPlugin';
import { connectionPlugin } from './rooms/connectionPlugin';
import { dashboardPlugin } from './rooms/dashboardPlugin';
import { readRoomPage } from './rooms/page';
import { panelPlugin } from './rooms/panelPlugin';
import { roomPlugin } from './rooms/roomPlugin';
import { shellPlugin } from './rooms/shellPlugin';

/** In the host's own JupyterLab. */
export const hostPlugins: JupyterFrontEndPlugin<unknown>[] = [
  announcerPlugin,
  dashboardPlugin
];

/** In the page of a room, for everybody there. */
export const roomPlugins: JupyterFrontEndPlugin<unknown>[] = [
  uplinkPlugin,
  settingsPlugin,
  announcerPlugin,
  roomPlugin,
  connectionPlugin,
  windowPlugin,
  openPlugin,
  sanitizerPlugin,
  renderersPlugin,
  providerPlugin,
  savedPlugin,
  branchPlugin,
  leavingPlugin,
  originPlugin,
  typingPlugin,
  notebookPlugin,
  executorPlugin,
  inputPlugin,
  kernelPlugin,
  againPlugin,
  networkPlugin,
  restPlugin,
  shellPlugin,
  panelPlugin
];

export default readRoomPage() === null ? hostPlugins : roomPlugins;
