/** Connects documents to the server. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IDocumentProviderFactory, WebSocketProvider } from '@jupyter/docprovider';

/**
 * The provider of jupyter-collaboration, without its dialog after five seconds.
 *
 * The dialog lies over the page, one of its buttons closes the document for good, and what it
 * offers happens by itself: a socket that does not open is opened again.
 */
// @ts-expect-error The timer is private; it has no option.
class PatientProvider extends WebSocketProvider {
  protected override _startLoadTimeout(): void {
    // Never: the spinner stands where the notebook will be.
  }
}

export const providerPlugin: JupyterFrontEndPlugin<IDocumentProviderFactory> = {
  id: 'jupyter-interview-rooms:document-provider',
  description: 'Connects documents, and waits for them as long as it takes.',
  autoStart: true,
  provides: IDocumentProviderFactory,
  activate: (): IDocumentProviderFactory => ({
    create: options => new PatientProvider(options)
  })
};
