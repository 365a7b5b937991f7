/** HTML output: sanitized in the page, or with its scripts in a frame of its own. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { RenderedHTML } from '@jupyterlab/rendermime';
import { Panel } from '@lumino/widgets';

import { FrameOutput } from './frame';

/** Scripts, and styles other than those of a DataFrame, which do nothing without a class. */
const NEEDS_FRAME = /<script\b|<style(?!\s+scoped)|<iframe\b/i;

/** Whether HTML is only what it is meant to be with its own scripts or styles. */
export function needsFrame(html: string): boolean {
  return NEEDS_FRAME.test(html);
}

/** Renders `text/html`. */
export class RoomHTML extends Panel implements IRenderMime.IRenderer {
  constructor(
    private readonly _options: IRenderMime.IRendererOptions,
    private readonly _frameUrl: string
  ) {
    super();
    this.addClass('jp-Interview-HTML');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[this._options.mimeType];
    const html = typeof data === 'string' ? data : '';
    while (this.widgets.length) {
      this.widgets[0]?.dispose();
    }
    if (needsFrame(html)) {
      const title =
        this._options.translator
          ?.load('jupyter_interview_rooms')
          .__('Output, in a frame of its own') ?? 'Output';
      this.addWidget(new FrameOutput(this._frameUrl, html, title));
      return;
    }
    const rendered = new RenderedHTML(this._options);
    this.addWidget(rendered);
    await rendered.renderModel(model);
  }
}
