/** The picture of a run in tables and in the plane: its line, and a shape besides its colour. */
import type { RunView } from '../../src/protocol/panel.ts';
import { svg } from '../shared/dom.ts';
import { look, onThemeChange } from '../shared/theme.ts';

const paths = [
  'M0-4.2A4.2 4.2 0 1 1 0 4.2 4.2 4.2 0 1 1 0-4.2Z',
  'M-3.8-3.8h7.6v7.6h-7.6Z',
  'M0-5 4.6 3.6h-9.2Z',
  'M0-5.2 5.2 0 0 5.2-5.2 0Z',
  'M0 5-4.6-3.6h9.2Z',
  'M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3Z',
];

/** Colours follow the theme for as long as an element lives on the page. */
const painted = new Map<SVGElement, number>();
onThemeChange(() => {
  for (const [element, index] of painted) {
    if (element.isConnected) element.style.color = look(index).colour;
    else painted.delete(element);
  }
});

export function paint<E extends SVGElement>(element: E, index: number): E {
  element.style.color = look(index).colour;
  painted.set(element, index);
  return element;
}

export function runLine(run: Pick<RunView, 'colour'>): SVGElement {
  const style = look(run.colour);
  return paint(
    svg(
      'svg',
      { class: 'run-line', viewBox: '0 0 34 12', 'aria-hidden': 'true' },
      svg('line', { x1: 0, x2: 34, y1: 6, y2: 6, 'stroke-dasharray': style.dash.join(' ') || undefined }),
      svg('g', { transform: 'translate(17 6)' }, runShape(run)),
    ),
    run.colour,
  );
}

export function runShape(run: Pick<RunView, 'colour'>): SVGElement {
  return svg('path', { class: 'run-shape', d: paths[Math.max(0, run.colour) % paths.length]! });
}
