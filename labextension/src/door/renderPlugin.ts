/** Replaces JupyterLab's sanitizer and renderers by those of a room. */

/* eslint-disable @typescript-eslint/no-deprecated --
   JupyterLab 4.6 still provides its sanitizer by the deprecated token. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
// JupyterLab 4.6 still provides it by this token.

import { ISanitizer as SanitizerToken } from '@jupyterlab/apputils';
import {
  ILatexTypesetter,
  IMarkdownParser,
  IRenderMimeRegistry,
  standardRendererFactories
} from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { ITranslator } from '@jupyterlab/translation';

import { requireRoomPage } from '../rooms/page';
import { guardLinks } from './links';
import { RoomRenderers } from './rendermime';
import { RoomSanitizer } from './sanitizer';
import { guardWidgets } from './widgets';

export const sanitizerPlugin: JupyterFrontEndPlugin<IRenderMime.ISanitizer> = {
  id: 'jupyter-interview-rooms:sanitizer',
  description: 'Sanitizes HTML that comes from somebody in the interview.',
  autoStart: true,
  provides: SanitizerToken,
  activate: (): IRenderMime.ISanitizer => new RoomSanitizer()
};

export const renderersPlugin: JupyterFrontEndPlugin<IRenderMimeRegistry> = {
  id: 'jupyter-interview-rooms:renderers',
  description: 'Renders outputs in a way that is safe whoever made them.',
  autoStart: true,
  requires: [SanitizerToken, ITranslator],
  optional: [ILatexTypesetter, IMarkdownParser],
  provides: IRenderMimeRegistry,
  activate: (
    _: JupyterFrontEnd,
    sanitizer: IRenderMime.ISanitizer,
    translator: ITranslator,
    latexTypesetter: ILatexTypesetter | null,
    markdownParser: IMarkdownParser | null
  ): IRenderMimeRegistry => {
    guardLinks(document.body, translator.load('jupyter_interview_rooms'));
    guardWidgets(sanitizer, document.body);
    return new RoomRenderers({
      initialFactories: standardRendererFactories,
      frameUrl: requireRoomPage().frameUrl,
      sanitizer,
      translator,
      ...(latexTypesetter ? { latexTypesetter } : {}),
      ...(markdownParser ? { markdownParser } : {})
    });
  }
};
