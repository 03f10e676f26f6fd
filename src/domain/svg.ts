/**
 * The few parts that self-contained SVG charts are made of. Colours are readable on dark and on light grounds, the page's
 * scheme is followed; text is escaped. Knows no runs.
 */

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Each look differs in colour, dash and marker: colour is never the only sign. */
const palette = ['#2f7fd6', '#d9662b', '#2c9c5a', '#a661c4', '#b8860b', '#1797a0', '#cf4a6a', '#7d8590'];
const dashes = ['', '6 3', '2 3', '8 3 2 3', '', '6 3', '2 3', '8 3 2 3'];

export const colourOf = (look: number): string => palette[look % palette.length]!;
export const dashOf = (look: number): string => dashes[look % dashes.length]!;

export function escapeXml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
  // XML has no place for control characters, not even escaped.
  const printable = [...text].filter(char => char >= ' ' && char !== '\u007f').join('');
  return printable.replace(/[&<>"']/g, char => entities[char]!);
}

/** A whole picture; `description` is what a screen reader says. */
export function document(
  { width, height }: Pick<Frame, 'width' | 'height'>,
  description: string,
  parts: string[],
): string {
  const text = escapeXml(description);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${text}">
<title>${text}</title>
<style>
.ground { fill: #ffffff; } .ink { fill: #1f2328; } .faint { fill: #59636e; } .line { stroke: #d1d9e0; } .rule { stroke: #59636e; }
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; } .head { font-size: 14px; font-weight: 600; }
@media (prefers-color-scheme: dark) {
.ground { fill: #1f2328; } .ink { fill: #f0f6fc; } .faint { fill: #9198a1; } .line { stroke: #3d444d; } .rule { stroke: #9198a1; }
}
</style>
<rect class="ground" width="${width}" height="${height}"/>
${parts.filter(Boolean).join('\n')}
</svg>
`;
}

export function text(
  x: number,
  y: number,
  content: string,
  more: { kind?: string; anchor?: string; turn?: boolean } = {},
): string {
  const { kind = 'ink', anchor = 'start', turn } = more;
  const rotate = turn ? ` transform="rotate(-90 ${n(x)} ${n(y)})"` : '';
  return `<text class="${kind}" x="${n(x)}" y="${n(y)}" text-anchor="${anchor}"${rotate}>${escapeXml(content)}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, attributes: string): string {
  return `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" ${attributes}/>`;
}

export function marker(look: number, x: number, y: number): string {
  const fill = `fill="${colourOf(look)}"`;
  switch (look % 4) {
    case 0:
      return `<circle cx="${n(x)}" cy="${n(y)}" r="4.5" ${fill}/>`;
    case 1:
      return `<rect x="${n(x - 4)}" y="${n(y - 4)}" width="8" height="8" ${fill}/>`;
    case 2:
      return `<path d="M${n(x)} ${n(y - 5.5)}l5.5 9.5h-11z" ${fill}/>`;
    default:
      return `<path d="M${n(x)} ${n(y - 6)}l6 6l-6 6l-6 -6z" ${fill}/>`;
  }
}

/** Two digits of a pixel are enough. */
export const n = (value: number): string => String(Number(value.toFixed(2)));

export interface Scale {
  (value: number): number;
  ticks: number[];
  from: number;
  to: number;
}

/** Values to pixels, over a range widened to round ticks. */
export function linearScale(values: readonly number[], pixels: [number, number], wanted = 5): Scale {
  const finite = values.filter(Number.isFinite);
  let [low, high] = finite.length > 0 ? [Math.min(...finite), Math.max(...finite)] : [0, 1];
  if (low === high) [low, high] = low === 0 ? [0, 1] : [low - Math.abs(low) / 10, high + Math.abs(high) / 10];
  const step = niceStep((high - low) / wanted);
  const from = Math.floor(low / step + 1e-9) * step;
  const to = Math.ceil(high / step - 1e-9) * step;
  const scale = (value: number): number => pixels[0] + ((value - from) / (to - from)) * (pixels[1] - pixels[0]);
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) =>
    Number((from + i * step).toPrecision(12)),
  );
  return Object.assign(scale, { ticks, from, to });
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5].find(factor => factor * power >= rough * 0.999) ?? 10) * power;
}

/** Grid, numbers and names of both axes. */
export function axes(frame: Frame, x: Scale, y: Scale, names: { x: string; y: string }): string[] {
  const { width, height, left, right, top, bottom } = frame;
  const label = (value: number): string => String(value).replace('-', '−');
  return [
    ...y.ticks.map(tick => line(left, y(tick), width - right, y(tick), 'class="line"')),
    ...x.ticks.map(tick => line(x(tick), top, x(tick), height - bottom, 'class="line"')),
    ...y.ticks.map(tick => text(left - 6, y(tick) + 4, label(tick), { kind: 'faint', anchor: 'end' })),
    ...x.ticks.map(tick => text(x(tick), height - bottom + 16, label(tick), { kind: 'faint', anchor: 'middle' })),
    text((left + width - right) / 2, height - bottom + 34, names.x, { anchor: 'middle' }),
    text(16, (top + height - bottom) / 2, names.y, { anchor: 'middle', turn: true }),
  ];
}
