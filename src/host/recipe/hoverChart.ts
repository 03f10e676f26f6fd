/** One series as a small picture for a hover: SVG in a data URI, in colours that read on dark and light grounds. */
import type { MetricSeries } from '../../domain/metricSeries.ts';
import { formatNumber } from '../../domain/words.ts';

const width = 360;
const height = 120;
const edge = { left: 48, right: 8, top: 8, bottom: 18 };
/** A hover shows at most 100,000 characters of Markdown. */
const columns = 300;

export function hoverChart(series: MetricSeries): string {
  const { steps, min, max } = series.buckets(undefined, undefined, columns);
  const values = [...min, ...max].filter(value => value !== null);
  if (values.length === 0) return '';
  const [low, high] = padded(Math.min(...values), Math.max(...values));
  const [first, last] = [steps[0] ?? 0, steps.at(-1) ?? 1];
  const x = (step: number) =>
    edge.left + ((step - first) / Math.max(last - first, 1)) * (width - edge.left - edge.right);
  const y = (value: number) => edge.top + ((high - value) / (high - low)) * (height - edge.top - edge.bottom);
  const points = steps.flatMap((step, index) => {
    const [bottom, top] = [min[index] ?? null, max[index] ?? null];
    if (bottom === null || top === null) return [];
    const ends = bottom === top ? [top] : [top, bottom];
    return ends.map(value => `${x(step).toFixed(1)},${y(value).toFixed(1)}`);
  });
  const label = (at: number, value: number) =>
    `<text x="${edge.left - 6}" y="${at}" text-anchor="end">${formatNumber(value)}</text>`;
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11" fill="#888">`,
    `<path d="M${edge.left} ${edge.top}V${height - edge.bottom}H${width - edge.right}" stroke="#888" fill="none"/>`,
    low < 0 && high > 0
      ? `<path d="M${edge.left} ${y(0).toFixed(1)}H${width - edge.right}" stroke="#888" stroke-dasharray="3 3"/>`
      : '',
    `<polyline points="${points.join(' ')}" fill="none" stroke="#3794ff" stroke-width="1.5"/>`,
    label(edge.top + 8, high),
    label(height - edge.bottom, low),
    `<text x="${edge.left}" y="${height - 4}">${first}</text><text x="${width - edge.right}" y="${height - 4}" text-anchor="end">${last}</text>`,
    '</svg>',
  ].join('');
  return `![](data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')})`;
}

function padded(low: number, high: number): [number, number] {
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  return [low - room, high + room];
}
