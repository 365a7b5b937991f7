/** Connects documents to the server. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ServerConnection } from '@jupyterlab/services';
import { IDocumentProviderFactory, WebSocketProvider } from '@jupyter/docprovider';

const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 8_000;

type Provider = ReturnType<IDocumentProviderFactory['create']>;

/** What of jupyter-collaboration's provider is private and has no option. */
interface Connecting {
  _connect(): Promise<void>;
  _startLoadTimeout(): void;
}

const Base = WebSocketProvider as unknown as new (
  options: WebSocketProvider.IOptions
) => Provider & Connecting;

/** The provider of jupyter-collaboration, waiting where that would ask or give up. */
class PatientProvider extends Base {
  /**
   * Ask for the document's session until there is an answer.
   *
   * The provider does so once, and leaves it to whoever sits there to try again.
   */
  override async _connect(): Promise<void> {
    for (
      let pause = FIRST_PAUSE_MS;
      !this.isDisposed;
      pause = Math.min(2 * pause, LAST_PAUSE_MS)
    ) {
      try {
        await super._connect();
        return;
      } catch (reason) {
        if (isRefusal(reason)) {
          throw reason;
        }
      }
      await new Promise(resolve => window.setTimeout(resolve, pause));
    }
  }

  /**
   * No dialog after five seconds, whose buttons wait, try again, and close the document for good.
   *
   * It would lie over the page; the spinner stands where the notebook will be.
   */
  override _startLoadTimeout(): void {
    // Never.
  }
}

/** Whether the server will not give it: the page's banner says why. */
function isRefusal(reason: unknown): boolean {
  if (!(reason instanceof ServerConnection.ResponseError)) {
    return false;
  }
  const { status } = reason.response;
  return status < 500 && status !== 429;
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
