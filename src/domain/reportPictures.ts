/** Which pictures belong to a comparison: a plane a probe set, curves of loss and of forgetting. Knows no files. */
import type { ComparisonView, RunView } from '../protocol/panel.ts';
import { type Curve, curvesChart, planeChart } from './charts.ts';
import { runLabels } from './comparison.ts';
import type { SeriesBuckets } from './metricSeries.ts';
import { inEnglish, type Translate } from './words.ts';

export interface Picture {
  /** File name. */
  file: string;
  alt: string;
  svg: string;
}

/** Buckets of a run's series, a few hundred columns wide; undefined where the run has no such series. */
export type SeriesOf = (runId: string, series: string) => SeriesBuckets | undefined;

export function reportPictures(comparison: ComparisonView, seriesOf: SeriesOf, t: Translate = inEnglish): Picture[] {
  const sets = [...new Set(comparison.plane.map(({ set }) => set))];
  return [
    ...sets.map(set => planePicture(comparison, set, t)),
    ...lossPicture(comparison.runs, seriesOf, t),
    ...sets.flatMap(set => forgettingPicture(comparison, set, seriesOf, t)),
  ];
}

function planePicture({ plane, runs, budgets }: ComparisonView, set: string, t: Translate): Picture {
  const labels = runLabels(runs);
  const points = plane.filter(point => point.set === set);
  const unit = points[0]?.unit ?? '';
  const budget = budgets[set]?.unit === unit ? budgets[set].value : undefined;
  const isReplayed = (id: string): boolean =>
    runs.find(run => run.id === id)?.result?.forgetting[set]?.replayed ?? false;
  const named = points.map(point => ({
    ...point,
    label: labels[point.run] ?? point.run,
    replayed: isReplayed(point.run),
  }));
  return {
    file: `plane-${set}.svg`,
    alt: t('Learning against forgetting of {0}, one point a run with its 95 % intervals', set),
    svg: planeChart({ set, unit, points: named, budget, translate: t }),
  };
}

function lossPicture(runs: RunView[], seriesOf: SeriesOf, t: Translate): Picture[] {
  const labels = runLabels(runs);
  const curves = runs.flatMap(({ id }) => {
    const series = seriesOf(id, 'loss');
    return series ? [{ label: labels[id] ?? id, steps: series.steps, values: series.last }] : [];
  });
  if (curves.length === 0) return [];
  const title = t('Task loss during training');
  const svg = curvesChart({ title, axis: t('loss, nats/token'), curves, translate: t });
  return [{ file: 'loss.svg', alt: title, svg }];
}

function forgettingPicture(
  { runs, budgets, plane }: ComparisonView,
  set: string,
  seriesOf: SeriesOf,
  t: Translate,
): Picture[] {
  const labels = runLabels(runs);
  const compared = runs.filter(({ id }) => plane.some(({ run }) => run === id));
  const curves = compared.flatMap(run => forgettingCurve(run, set, labels[run.id] ?? run.id, seriesOf));
  if (curves.every(({ steps }) => steps.length < 2)) return [];
  const title = t('Forgetting of {0} during training, with its 95 % interval', set);
  const budget = budgets[set]?.unit === 'points' ? undefined : budgets[set]?.value;
  const axis = t('forgetting, nats/token (up is worse)');
  return [
    { file: `forgetting-${set}.svg`, alt: title, svg: curvesChart({ title, axis, curves, budget, translate: t }) },
  ];
}

function forgettingCurve({ id }: RunView, set: string, label: string, seriesOf: SeriesOf): Curve[] {
  const series = seriesOf(id, `forgetting.${set}`);
  if (!series) return [];
  const { steps, last: values, low, high } = series;
  return [{ label, steps, values, low, high }];
}
