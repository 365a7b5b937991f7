/** Vega charts without a way out of their box. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { PartialJSONValue, ReadonlyPartialJSONObject } from '@lumino/coreutils';

export function isVega(mimeType: string): boolean {
  return /^application\/vnd\.vega(lite)?\.v\d+\+json$/.test(mimeType);
}

/**
 * Takes every address a chart wants to load for one of its own, and refuses it.
 *
 * JupyterLab's renderer asks the resolver before anything is loaded: `data.url`, images
 * and links alike.
 */
export const refusingResolver: IRenderMime.IResolver = {
  isLocal: () => true,
  resolveUrl: () =>
    Promise.reject(
      new Error('Charts load nothing in an interview; put the data into them.')
    ),
  getDownloadUrl: () =>
    Promise.reject(new Error('Charts load nothing in an interview.'))
};

/**
 * What the menu beside a chart offers: pictures.
 *
 * The chart's source would be written unescaped into a window of this origin, and the
 * editor is another site.
 */
export const CHART_OPTIONS = {
  actions: { export: true, source: false, compiled: false, editor: false }
};

/**
 * Return the chart without what acts on the page around it: options that replace the
 * loader, and inputs that go into elements elsewhere.
 */
export function tameChart(spec: PartialJSONValue): PartialJSONValue {
  return tame(spec, true) ?? null;
}

function tame(
  value: PartialJSONValue | undefined,
  root = false
): PartialJSONValue | undefined {
  if (Array.isArray(value)) {
    return value.map(item => tame(item) ?? null);
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const tamed: ReadonlyPartialJSONObject = Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !(root && key === 'usermeta') && key !== 'element')
      .map(([key, item]) => [key, tame(item)])
  );
  return tamed as PartialJSONValue;
}
