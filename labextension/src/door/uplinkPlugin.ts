/** All that JupyterLab sends goes the same way as what the room sends. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import { IServerSettings } from '@jupyterlab/services';

import { Uplink } from '../api/uplink';
import { IUplink } from '../tokens';

// These two are there before there is an application.

export const uplinkPlugin: JupyterFrontEndPlugin<IUplink> = {
  id: 'jupyter-interview-rooms:uplink',
  description: 'Carries what this page sends to its server.',
  autoStart: true,
  provides: IUplink,
  activate: (): IUplink => new Uplink(PageConfig.getBaseUrl())
};

export const settingsPlugin: JupyterFrontEndPlugin<ServerConnection.ISettings> = {
  id: 'jupyter-interview-rooms:server-settings',
  description: 'Has JupyterLab send over the uplink, which outlasts a broken network.',
  autoStart: true,
  requires: [IUplink],
  provides: IServerSettings,
  activate: (_: unknown, uplink: IUplink): ServerConnection.ISettings =>
    uplink.takeOver()
};
