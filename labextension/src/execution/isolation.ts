/** What is said of the engine that cells run in. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Sandbox } from '../api/types';

/** What stands between cells and the machine, in a few words. */
export function isolationText(
  isolation: Sandbox['isolation'],
  trans: TranslationBundle
): string {
  const texts: Record<Sandbox['isolation'], string> = {
    container: trans.__('container, no network'),
    webassembly: trans.__('WebAssembly, standard library only'),
    none: trans.__('not isolated')
  };
  return texts[isolation];
}

/** What cells reach outside their sandbox. */
export function surroundings(
  isolation: Sandbox['isolation'],
  trans: TranslationBundle
): [string, string][] {
  switch (isolation) {
    case 'none':
      return [
        [
          trans.__('Isolation'),
          trans.__('none: cells can read files of this server and use its network')
        ]
      ];
    case 'webassembly':
      return [
        [trans.__('Packages'), trans.__('none; Python’s standard library only')],
        [trans.__('Network'), trans.__('none')]
      ];
    case 'container':
      return [
        [
          trans.__('Network'),
          trans.__('none; packages are chosen by the host beforehand')
        ]
      ];
  }
}
