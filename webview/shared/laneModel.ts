/**
 * What the lanes are: which series share one, in which order, how far their axes reach. Pure: colours and canvases are
 * others' business.
 */
import { runLabels } from '../../src/domain/comparison.ts';
import type { RunView } from '../../src/protocol/panel.ts';
import { setOf } from './format.ts';
import { t } from './strings.ts';

export type CatalogueEntry = RunView['catalogue'][number];
/** Learning has a lane of its own: it is what forgetting is weighed against. */
export type LaneName = CatalogueEntry['lane'] | 'learning';

/** Who draws a line: `look` is an index into the palette, equal for what belongs together in all lanes. */
export interface LaneSeries {
  key: string;
  run: string;
  name: string;
  label: string;
  look: number;
  /** Part of the picture but not the point of it: drawn thin. */
  quiet: boolean;
  /** What an older attempt did, beside what was done instead. */
  earlier: boolean;
  replayed: boolean;
  /** What hides it: the series in a run's lanes, the run where runs are compared. */
  hiddenBy: string;
}

export interface LaneSpec {
  id: string;
  lane: LaneName;
  unit: string;
  series: LaneSeries[];
}

export const laneOrder: LaneName[] = [
  'loss',
  'kl',
  'forgetting',
  'learning',
  'learningRate',
  'gradientNorm',
  'speed',
  'other',
];

/** Looks of what is not a probe set. Sets take the ones between. */
const taskLook = 0;
/** The colour of the task with other dashes: the same data, seen and not seen in training. */
const heldOutLook = 8;
const quietLooks: Record<string, number> = { objective: 7, replayLoss: 4, 'penalty.kl': 7 };
const setLooks = [1, 2, 3, 5, 6];

export const seriesKey = (run: string, name: string) => `${run}/${name}`;

/** The lanes of one run: one for each lane name and unit. A set has the same look in all of them. */
export function lanesOfRun(run: Pick<RunView, 'id' | 'catalogue' | 'prepared'>): LaneSpec[] {
  const sets = probeSets(run);
  const lanes = new Map<string, LaneSpec>();
  for (const entry of run.catalogue) {
    const laneName = laneOf(entry);
    const id = `${laneName}|${entry.unit}`;
    const lane = lanes.get(id) ?? { id, lane: laneName, unit: entry.unit, series: [] };
    lanes.set(id, lane);
    const name = presentName(entry);
    const set = setOf(name);
    lane.series.push({
      key: seriesKey(run.id, entry.name),
      run: run.id,
      name: entry.name,
      label: entry.earlier ? t('{0}, earlier attempt', labelOf({ ...entry, name })) : labelOf(entry),
      look: lookOf(name, sets),
      quiet: entry.earlier || name in quietLooks,
      earlier: entry.earlier ?? false,
      replayed: run.prepared?.probes[set]?.replayed ?? false,
      hiddenBy: name,
    });
  }
  return [...lanes.values()].sort((a, b) => laneOrder.indexOf(a.lane) - laneOrder.indexOf(b.lane));
}

/** The lanes of several runs: one for each series, with one line a run. */
export function lanesOfRuns(runs: Pick<RunView, 'id' | 'name' | 'variant' | 'colour' | 'catalogue'>[]): LaneSpec[] {
  const labels = runLabels(runs);
  const lanes = new Map<string, LaneSpec>();
  for (const run of runs) {
    for (const entry of run.catalogue) {
      if (entry.earlier) continue;
      const lane = lanes.get(entry.name) ?? { id: entry.name, lane: laneOf(entry), unit: entry.unit, series: [] };
      lanes.set(entry.name, lane);
      lane.series.push({
        key: seriesKey(run.id, entry.name),
        run: run.id,
        name: entry.name,
        label: labels[run.id] ?? run.name,
        look: run.colour,
        quiet: false,
        earlier: false,
        replayed: false,
        hiddenBy: run.id,
      });
    }
  }
  return [...lanes.values()].sort((a, b) => laneOrder.indexOf(a.lane) - laneOrder.indexOf(b.lane));
}

/** Counters and whatever a trainer adds: shown with all series. */
export function isDetail(entry: CatalogueEntry): boolean {
  return laneOf(entry) === 'other';
}

function laneOf({ name, lane }: CatalogueEntry): LaneName {
  return name.startsWith('learning.') ? 'learning' : lane;
}

/** The series whose branch it is. */
function presentName({ name, earlier }: CatalogueEntry): string {
  return earlier ? name.slice(name.indexOf('/') + 1) : name;
}

/** Short, for a legend: the lane's title already says what is measured. */
function labelOf({ name, lane, label }: CatalogueEntry): string {
  if (name.startsWith('loss.')) return t('held-out loss: {0}', setOf(name));
  const isOfSet = isSparse({ name }) && (lane === 'kl' || lane === 'forgetting' || name.startsWith('learning.'));
  return isOfSet ? setOf(name) : (label ?? setOf(name));
}

/** Scored at evaluations only: few points, whose lines reach across a zoomed view from outside. */
export function isSparse(series: Pick<LaneSeries, 'name'>): boolean {
  return /^(earlier\/)?(forgetting|kl|learning|loss)\./.test(series.name);
}

export function probeSets(run: Pick<RunView, 'catalogue' | 'prepared'>): string[] {
  const named = Object.keys(run.prepared?.probes ?? {});
  const drawn = run.catalogue.filter(entry => entry.lane === 'forgetting').map(entry => setOf(entry.name));
  return [...new Set([...named, ...drawn])];
}

function lookOf(name: string, sets: string[]): number {
  if (Object.hasOwn(quietLooks, name)) return quietLooks[name]!;
  if (name.startsWith('loss.')) return heldOutLook;
  const index = sets.indexOf(setOf(name));
  return index < 0 ? taskLook : setLooks[index % setLooks.length]! + 8 * Math.floor(index / setLooks.length);
}

/**
 * Where the step axis ends while a run goes on: the whole run once half of it is done, before that a round number
 * ahead of the newest step. So the axis moves a few times in a run and not with every step.
 */
export function axisEnd(newest: number, planned: number | null): number {
  const round = roundUp(Math.max(newest, 10));
  if (planned === null || planned <= 0) return round;
  if (newest >= planned) return newest;
  return round * 2 > planned ? planned : round;
}

/** Values a y axis shows, rounded outwards so that it rarely moves; both ends in drawn units (log10 with `log`). */
export function valueRange(extent: [number, number] | null, log: boolean, include: number[] = []): [number, number] {
  if (log) {
    const [low, high] = extent ?? [0.1, 1];
    const from = Math.log10(low);
    const to = Math.log10(high);
    const pad = Math.max((to - from) * 0.06, 0.02);
    return [roundTo(from - pad, 0.05, Math.floor), roundTo(to + pad, 0.05, Math.ceil)];
  }
  const values = [...(extent ?? []), ...include];
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (!Number.isFinite(low)) return [0, 1];
  if (low === high) {
    const around = Math.abs(low) || 1;
    low -= include.includes(low) ? 0 : around * 0.1;
    high += around * 0.1;
  }
  const unit = niceStep((high - low) / 8);
  const touches = (value: number) => value === 0;
  return [
    touches(low) ? 0 : roundTo(low - unit * 0.15, unit, Math.floor),
    touches(high) ? 0 : roundTo(high + unit * 0.15, unit, Math.ceil),
  ];
}

/** How much is smoothed: a share of the steps that are shown. */
export const smoothingShares = { none: 0, light: 0.01, medium: 0.03, strong: 0.1 } as const;
export type Smoothing = keyof typeof smoothingShares;

function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find(step => step * power >= value) ?? 10;
  return factor * power;
}

function niceStep(value: number): number {
  return value > 0 ? roundUp(value) : 1;
}

function roundTo(value: number, unit: number, round: (value: number) => number): number {
  const rounded = round(value / unit + (round === Math.floor ? 1e-9 : -1e-9)) * unit;
  return Number(rounded.toPrecision(12));
}
