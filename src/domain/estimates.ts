/** Series with 95 % intervals: their ends are series beside them, with the same steps, that nobody declares. */
import type { MetricSeries, Points, SeriesBuckets } from './metricSeries.ts';

type SeriesOf = (name: string) => MetricSeries | undefined;

export const intervalEnds = (name: string): [low: string, high: string] => [`${name}/low`, `${name}/high`];

/** As `MetricSeries.buckets`, with what the intervals of each bucket cover together where there are any. */
export function estimateBuckets(
  seriesOf: SeriesOf,
  name: string,
  ...range: Parameters<MetricSeries['buckets']>
): SeriesBuckets | undefined {
  const [low, high] = intervalEnds(name).map(end => seriesOf(end)?.buckets(...range));
  const buckets = seriesOf(name)?.buckets(...range);
  return buckets && { ...buckets, ...(low && high && { low: low.min, high: high.max }) };
}

/** Points from the `cursor`-th on, with their intervals where there are any. */
export function estimatesSince(seriesOf: SeriesOf, name: string, cursor: number): Points | undefined {
  const [low, high] = intervalEnds(name).map(end => seriesOf(end)?.since(cursor).values);
  const points = seriesOf(name)?.since(cursor);
  return points && { ...points, ...(low && high && { low, high }) };
}
