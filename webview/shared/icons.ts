/** Small pictures beside words, drawn here so that a page needs no font. They never stand without text or a label. */
import { svg } from './dom.ts';

const shapes = {
  kept: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM4.9 8.1 7.2 10.4 11.2 5.8',
  forgot: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM5.4 5.4l5.2 5.2M10.6 5.4 5.4 10.6',
  unsure: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM6 6.3C6 5 7 4.4 8 4.4s2 .7 2 1.8C10 7.7 8 7.7 8 9.3M8 11.4v.3',
  warning: 'M8 2 14.5 13.5h-13ZM8 6.2v3.6M8 11.4v.3',
  running: 'M8 2.5a5.5 5.5 0 1 1-5.5 5.5',
  queued: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM8 4.5V8l2.5 1.8',
  stopped: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM6 6h4v4H6Z',
  paused: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM6.5 5.8v4.4M9.5 5.8v4.4',
  none: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM5 8h6',
} as const;

export type IconName = keyof typeof shapes;

export function icon(name: IconName, className = ''): SVGElement {
  return svg(
    'svg',
    { class: `icon icon-${name} ${className}`.trim(), viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' },
    svg('path', { d: shapes[name] }),
  );
}
