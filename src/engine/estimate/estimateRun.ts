/**
 * What a run will take, told before its model is opened: memory from its graphs, time from them and from how fast this
 * machine is just now. Refuses a run for which there is not enough memory.
 */
import type { EstimateEvent, StartCommand } from '../../protocol/trainer.ts';
import { EngineError } from '../engineError.ts';
import { scoredRows } from '../evaluate/itemScores.ts';
import type { Graph } from '../graph/graph.ts';
import type { BatchShape } from '../model/decoder.ts';
import { readModelConfig } from '../model/modelConfig.ts';
import { type Programs, programKey } from '../model/programs.ts';
import { type PreparedRun, pathOf } from '../prepare.ts';
import { openRuntime } from '../runtime/chooseRuntime.ts';
import { batchShapes, trainingShapes } from './batchShapes.ts';
import { freeMemory } from './freeMemory.ts';
import { type SmallerRun, smallerRuns } from './makeItFit.ts';
import { plannedModel, runSize, type SizedRun } from './runSize.ts';
import { measureSpeed, type Speed, secondsToRun } from './speed.ts';

export interface MemoryEstimate {
  run: SizedRun;
  /** What the process holds before the model is opened. */
  heldBytes: number;
  /** The most that it will hold. */
  bytes: number;
  /** What the process has, and what it may still take. */
  freeBytes: number;
}

export async function estimateMemory(start: StartCommand, prepared: PreparedRun): Promise<MemoryEstimate> {
  const { recipe } = start;
  const [modelFolder, baseFolder] = [pathOf(start, recipe.model), pathOf(start, recipe.retain.base)];
  const { config } = await readModelConfig(modelFolder);
  const otherBase = baseFolder === modelFolder ? undefined : (await readModelConfig(baseFolder)).config;
  const batches = batchShapes(prepared.plan, prepared.steps, prepared.sets, recipe.train.max_length);
  const run = { config, otherBase, recipe, batches };
  const heldBytes = process.memoryUsage.rss();
  return { run, heldBytes, bytes: heldBytes + runSize(run), freeBytes: heldBytes + freeMemory() };
}

export function refuseTooLarge({ run, heldBytes, bytes, freeBytes }: MemoryEstimate): void {
  if (bytes <= freeBytes || run.recipe.memory === 'try') return;
  const smaller = smallerRuns(run).map(smaller => ({ ...smaller, bytes: heldBytes + smaller.bytes }));
  const fitting = mildest(smaller.filter(({ bytes }) => bytes <= freeBytes));
  const listed = (runs: typeof smaller) =>
    runs.map(({ setting, bytes }) => `${setting} (${sizeText(bytes)})`).join('; ');
  const advice =
    fitting.length > 0
      ? `It would fit with one of these: ${listed(fitting)}.`
      : `No one setting is enough; several may be: ${listed(smaller)}.`;
  throw new EngineError(
    'out-of-memory',
    `The run would take about ${sizeText(bytes)} of memory, and ${sizeText(freeBytes)} are free`,
    { remedy: `${advice} Or end what else runs here. To try it all the same: memory: try.` },
  );
}

/** Of each key the value that changes least; what changes no result comes first, then what takes least. */
function mildest(runs: SmallerRun[]): SmallerRun[] {
  const byKey = new Map(runs.map(run => [run.setting.split(':')[0], run]));
  return [...byKey.values()].sort((a, b) => Number(b.changesNothing) - Number(a.changesNothing) || a.bytes - b.bytes);
}

const sizeText = (bytes: number): string =>
  bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MB` : `${(bytes / 2 ** 30).toFixed(1)} GB`;

export async function computedEstimate(
  { recipe, threads }: StartCommand,
  { run, bytes, freeBytes }: MemoryEstimate,
  { steps, sets }: PreparedRun,
): Promise<EstimateEvent> {
  const runtime = await openRuntime(recipe, threads);
  const tokens = Math.max(...trainingShapes(run.batches).map(({ rows, length }) => rows * length));
  const speed = await measureSpeed(runtime, { ...run.config, tokens });
  await runtime.close();

  const { programs } = plannedModel(run.config, recipe);
  const secondsPerStep = secondsOfStep(run, programs, speed);
  const perSequence = run.batches.scored.map(shape => secondsToRun(programs.score(shape, 'tuned'), speed) / scoredRows);
  const sequences = sets.reduce((sum, { items }) => sum + items.reduce((n, item) => n + item.sequences.length, 0), 0);
  const points = Math.floor((steps - 1) / recipe.evaluate.every) + 1;
  const judged = points * Math.min(sequences, sets.length * recipe.evaluate.items) + 2 * sequences;
  const seconds = steps * secondsPerStep + judged * (perSequence[0] ?? 0);
  return { type: 'estimate', basis: 'computed', memoryBytes: bytes, freeBytes, secondsPerStep, seconds };
}

/** The mean over the kinds of steps. */
function secondsOfStep({ batches }: SizedRun, programs: Programs, speed: Speed): number {
  const known = new Map<string, number>();
  const secondsFor = (key: string, build: () => Graph): number => {
    const seconds = known.get(key) ?? secondsToRun(build(), speed);
    known.set(key, seconds);
    return seconds;
  };
  let [sum, count] = [0, 0];
  for (const { microBatches, times } of batches.steps) {
    const isFused = microBatches.length === 1;
    const build = (shape: BatchShape) => (isFused ? programs.step(shape) : programs.gradient(shape, 'objective'));
    const ofBatches = microBatches.map(shape => secondsFor(`${isFused}/${programKey('', shape)}`, () => build(shape)));
    const ofUpdate = isFused ? 0 : secondsFor('update', () => programs.update());
    sum += times * ofBatches.reduce((total, seconds) => total + seconds, ofUpdate);
    count += times;
  }
  return sum / count;
}
