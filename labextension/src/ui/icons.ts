/** The icon of interviews. */

import { LabIcon } from '@jupyterlab/ui-components';

const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M4 3h11a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H9l-4 4v-4H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z"/>
    <path d="M19 8h1a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2h-1v3l-3.500-3H11a2 2 0 0 1-2-2v-1h6.500a3.500 3.500 0 0 0 3.500-3.500z"/>
  </g>
</svg>`;

export const interviewIcon = new LabIcon({
  name: 'jupyter-interview-rooms:interview',
  svgstr: svg
});
