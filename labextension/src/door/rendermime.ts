/**
 * The renderers of a room's page, which trust nothing.
 *
 * JupyterLab shows more to whom it trusts, and a notebook's trust is a flag in its
 * metadata, which a candidate can set. Here the flag changes nothing: there is one list of
 * types, each is rendered in a way that is safe for anybody, and always in that way.
 */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { RenderMimeRegistry } from '@jupyterlab/rendermime';
import type { PartialJSONValue } from '@lumino/coreutils';

import { RoomHTML } from './html';
import { CHART_OPTIONS, isVega, refusingResolver, tameChart } from './vega';

/** Types that are shown; whatever an extension offers besides is not. */
const SHOWN =
  /^(text\/(plain|html|markdown|latex)|image\/(png|jpeg|gif|webp|bmp|svg\+xml)|application\/(json|geo\+json|vnd\.jupyter\.(stdout|stderr|widget-view\+json)|vnd\.vega(lite)?\.v\d+\+json|vnd\.plotly\.v1\+json|vnd\.vegalite\.v\d+\+json))$/;

const made = new WeakSet<IRenderMime.IRendererFactory>();

/** What the registry is made of. */
export interface RoomRenderersOptions extends RenderMimeRegistry.IOptions {
  /** The door's page for HTML with scripts. */
  frameUrl: string;
}

export class RoomRenderers extends RenderMimeRegistry {
  constructor(options: RoomRenderersOptions) {
    super({ ...options, initialFactories: [], trustHandler: undefined });
    this._options = options;
    for (const factory of options.initialFactories ?? []) {
      this.addFactory(factory);
    }
  }

  override addFactory(factory: IRenderMime.IRendererFactory, rank?: number): void {
    const mimeTypes = factory.mimeTypes.filter(type => SHOWN.test(type));
    if (mimeTypes.length) {
      super.addFactory(
        made.has(factory) ? factory : this._contained({ ...factory, mimeTypes }),
        rank
      );
    }
  }

  override clone(options: IRenderMimeRegistry.ICloneOptions = {}): RoomRenderers {
    const clone = new RoomRenderers({
      ...this._options,
      // The sanitizer is not for others to choose.
      ...(options.resolver ? { resolver: options.resolver } : {}),
      ...(options.linkHandler ? { linkHandler: options.linkHandler } : {}),
      ...(options.markdownParser ? { markdownParser: options.markdownParser } : {}),
      ...(options.latexTypesetter ? { latexTypesetter: options.latexTypesetter } : {}),
      initialFactories: []
    });
    for (const mimeType of this.mimeTypes) {
      const factory = this.getFactory(mimeType);
      if (factory) {
        const one = { ...factory, mimeTypes: [mimeType] };
        made.add(one);
        clone.addFactory(one, this.getRank(mimeType));
      }
    }
    return clone;
  }

  private _contained(
    factory: IRenderMime.IRendererFactory
  ): IRenderMime.IRendererFactory {
    const contained: IRenderMime.IRendererFactory = {
      ...factory,
      safe: true,
      createRenderer: options => {
        const { mimeType } = options;
        const renderer =
          mimeType === 'text/html'
            ? new RoomHTML(options, this._options.frameUrl)
            : factory.createRenderer(
                isVega(mimeType) ? { ...options, resolver: refusingResolver } : options
              );
        const render = renderer.renderModel.bind(renderer);
        renderer.renderModel = (model): Promise<void> =>
          render(new UntrustedModel(model, mimeType));
        return renderer;
      }
    };
    made.add(contained);
    return contained;
  }

  private readonly _options: RoomRenderersOptions;
}

/** An output as a renderer gets to see it: never trusted, and not to be changed. */
export class UntrustedModel implements IRenderMime.IMimeModel {
  constructor(
    private readonly _model: IRenderMime.IMimeModel,
    private readonly _mimeType: string
  ) {}

  /** SVG is shown as an image, which runs nothing; its renderer asks all the same. */
  get trusted(): boolean {
    return this._mimeType === 'image/svg+xml';
  }

  get data(): IRenderMime.IMimeModel['data'] {
    const { data } = this._model;
    return isVega(this._mimeType)
      ? {
          ...data,
          [this._mimeType]: tameChart(data[this._mimeType] as PartialJSONValue)
        }
      : data;
  }

  get metadata(): IRenderMime.IMimeModel['metadata'] {
    return isVega(this._mimeType)
      ? { [this._mimeType]: { embed_options: { ...CHART_OPTIONS } } }
      : this._model.metadata;
  }

  /** Rendering changes no document: not even by the picture that Vega would add. */
  setData(): void {
    return undefined;
  }
}
