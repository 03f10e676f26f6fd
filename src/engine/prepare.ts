/**
 * From a start message to what a run works on: tokenizer, task and replay rows, probe sets. All reading and refusing of
 * data happens here, before any weight is loaded. Knows nothing of the model but its folder.
 */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { StartCommand } from '../protocol/trainer.ts';
import { autoSet } from '../recipe/autoSet.ts';
import type { Budget } from '../recipe/schema.ts';
import { dataFiles } from '../runs/dataFiles.ts';
import { dataTokens, type TokensOptions, tokensFolder } from './data/dataTokens.ts';
import { examplesIn, readExamples } from './data/examples.ts';
import { setAside } from './data/ints.ts';
import { packRows } from './data/packing.ts';
import { RandomStream } from './data/randomStreams.ts';
import { RowPlan } from './data/rowPlan.ts';
import { type MeasuredRows, type Row, type Rows, singleRows } from './data/rows.ts';
import type { SequenceOptions } from './data/sequences.ts';
import type { Sequences } from './data/tokens.ts';
import { usuallyHeld } from './data/tokenWriter.ts';
import { EngineError } from './engineError.ts';
import type { EvaluatedSet } from './evaluate/evaluator.ts';
import { klRows } from './evaluate/evaluator.ts';
import { digest, hashFile } from './evaluate/fingerprints.ts';
import { encodeLearningItems, encodeProbeSet } from './evaluate/itemScores.ts';
import { countTrained, judgedTexts, refuseProbeOverlap, TrainedTexts } from './evaluate/overlap.ts';
import { type ProbeSet, readProbeSet } from './evaluate/probeSets.ts';
import { ReplayedTemplates, replayedShare, replayedThreshold } from './evaluate/replayed.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts';

/** What is judged: probe sets and held-out task rows. */
export interface PreparedSets {
  sets: EvaluatedSet[];
  warnings: string[];
}

/** What is trained on. */
export interface PreparedRows {
  plan: RowPlan;
  /** Optimizer steps of the whole run. */
  steps: number;
  trainSample: Row[];
  /** Which of the task rows these are. */
  trainSampleRows: number[];
  trainRows: number;
  replayRows: number;
  droppedRows: number;
  /** Hash of the training and replay files by name. */
  dataHashes: Record<string, string>;
}

export interface PreparedRun extends PreparedWatching, PreparedRows {}

/** Without rows to train on. */
export interface PreparedWatching extends PreparedSets {
  tokenizer: Tokenizer;
}

const defaultSteps = 200;
const rowsBetweenWords = 1000;
/** Fewer items never allow a verdict. */
const itemsForVerdict = 50;

export interface PrepareOptions extends Pick<TokensOptions, 'whenThereIsRoom' | 'mostHeld'> {
  onProgress?: OnProgress;
}

type OnProgress = (phase: string, fraction: number) => void;

/** Data files are gone through twice: that all of it may be trained on is known before the first row is tokenized. */
export async function prepareRun(start: StartCommand, options: PrepareOptions = {}): Promise<PreparedRun> {
  const { onProgress = () => {} } = options;
  const tokenizer = await loadTokenizer(pathOf(start, start.recipe.model));
  const { replay: replaying } = start.recipe.method;
  if (replaying) await refuseReplayOfProbes(start);
  const trained: TrainedFiles = {
    train: pathOf(start, start.recipe.data.train),
    ...(replaying && { replay: pathOf(start, replaying.data) }),
  };
  const { rows: counts, ...sets } = await prepareSets(start, tokenizer, trained, onProgress);
  const rows = await prepareRows(start, tokenizer, trained, counts, { ...options, onProgress });
  return { tokenizer, ...sets, ...rows, warnings: [...sets.warnings, ...rows.warnings] };
}

/** Two finished models: nothing is trained, so nothing can overlap. */
export async function prepareJudging(start: StartCommand): Promise<PreparedWatching> {
  const tokenizer = await tokenizerOfFinished(start);
  return { tokenizer, ...(await prepareSets(start, tokenizer)) };
}

/** An adapter's folder often holds none: then it is that of the model it sits on. */
export async function tokenizerOfFinished(start: StartCommand): Promise<Tokenizer> {
  const [model, base] = [pathOf(start, start.recipe.model), pathOf(start, start.recipe.retain.base)];
  const has = (name: string): boolean => existsSync(join(model, name));
  return loadTokenizer(has('adapter_config.json') && !has('tokenizer.json') ? base : model);
}

/** What is judged, and that none of it is trained on. */
export async function prepareWatching(start: StartCommand): Promise<PreparedWatching> {
  const tokenizer = await loadTokenizer(pathOf(start, start.recipe.model));
  const { rows, ...sets } = await prepareSets(start, tokenizer, { train: pathOf(start, start.recipe.data.train) });
  return { tokenizer, ...sets };
}

/** The recipe's path as the launcher checked it. */
export function pathOf({ paths }: StartCommand, written: string): string {
  const found = paths[written];
  if (found !== undefined) return found;
  throw new EngineError('path-not-allowed', `${written} was not resolved to a file`, {
    remedy: 'Paths are relative to the recipe and must lie within the allowed folders.',
  });
}

/** Data files and folders, by what is done with them. */
interface TrainedFiles {
  train?: string;
  replay?: string;
}

/** How many rows each has. */
type RowCounts = Record<keyof TrainedFiles, number>;

/** Without `trained` (an evaluation of two finished models) nothing can overlap. */
export async function prepareSets(
  start: StartCommand,
  tokenizer: Tokenizer,
  trained: TrainedFiles = {},
  onProgress: OnProgress = () => {},
): Promise<PreparedSets & { rows: RowCounts }> {
  const { retain, data, train } = start.recipe;
  const probes = await Promise.all(
    Object.entries(retain.probes).map(([name, { file }]) => readProbeSet(name, pathOf(start, file))),
  );
  const evals = await Promise.all(
    Object.entries(data.eval).map(async ([name, file]) => ({ name, source: await readExamples(pathOf(start, file)) })),
  );
  const sources = evals.map(({ source }) => source);
  const texts = new TrainedTexts(judgedTexts(probes, sources));
  const templates = new ReplayedTemplates(probes);
  const rows = await goThrough(trained, texts, templates, onProgress);
  refuseProbeOverlap(probes, texts);

  const isWatched = probes.length > 0 || retain.auto !== undefined;
  const warnings = isWatched ? [] : ['Nothing watches for forgetting: the recipe names no retain.probes.'];
  if (retain.auto && retain.auto.items < itemsForVerdict) warnings.push(tooFew(autoSet, retain.auto.items));
  const sets: EvaluatedSet[] = [];
  for (const probe of probes) {
    refuseUnusableBudget(probe, retain.probes[probe.name]!.budget);
    const share = replayedShare(probe, templates);
    warnings.push(...warningsOfSet(probe, share));
    sets.push({
      ...probe,
      items: encodeProbeSet(probe, tokenizer, train.max_length),
      fingerprint: await fingerprintOf(probe.files),
      replayed: share >= replayedThreshold,
      budget: retain.probes[probe.name]!.budget,
    });
  }
  for (const { name, source } of evals) {
    const known = countTrained(source, texts);
    if (known > 0)
      warnings.push(`${known} of ${source.examples.length} rows of data.eval (${name}) are also trained on.`);
    const items = await encodeLearningItems(source, tokenizer, lengthsOf(start));
    const fingerprint = await hashFile(source.file);
    sets.push({ name, kind: 'learning', items, file: source.file, fingerprint, replayed: false });
  }
  return { sets, warnings, rows };
}

/** Every row is looked at and let go. */
async function goThrough(
  files: TrainedFiles,
  texts: TrainedTexts,
  templates: ReplayedTemplates,
  onProgress: OnProgress,
): Promise<RowCounts> {
  const counts: RowCounts = { train: 0, replay: 0 };
  for (const purpose of ['train', 'replay'] as const) {
    const path = files[purpose];
    if (path === undefined) continue;
    for await (const example of examplesIn(path)) {
      counts[purpose] += 1;
      texts.add(path, example);
      if (purpose === 'replay') templates.add(example);
      if (counts[purpose] % rowsBetweenWords === 0) onProgress('reading data', 0);
    }
  }
  return counts;
}

/** Of one file, its hash as every tool tells it. */
async function fingerprintOf(files: string[]): Promise<string> {
  const hashes = await Promise.all(files.map(hashFile));
  return hashes.length === 1 ? hashes[0]! : digest(hashes);
}

function refuseUnusableBudget({ name, kind, file }: ProbeSet, budget?: Budget): void {
  if (kind !== 'text' || !budget || !('points' in budget)) return;
  throw new EngineError('budget-unit', `The budget of ${name} is in points, but texts have no accuracy`, {
    file,
    remedy: 'Write { nats: 0.05 }, or use a choice or pairs set.',
  });
}

function tooFew(name: string, items: number): string {
  const count = items === 1 ? '1 item' : `${items} items`;
  return `The probe set ${name} has ${count}; under ${itemsForVerdict} no verdict is possible.`;
}

function warningsOfSet({ name, items }: ProbeSet, share: number): string[] {
  const warnings: string[] = [];
  if (items.length < itemsForVerdict) warnings.push(tooFew(name, items.length));
  if (share >= replayedThreshold) {
    const percent = Math.round(100 * share);
    warnings.push(
      `The distribution of ${name} is also replayed (${percent} % of its word patterns occur in the replay rows), so it wins by construction.`,
    );
  }
  return warnings;
}

async function prepareRows(
  start: StartCommand,
  tokenizer: Tokenizer,
  { train, replay }: TrainedFiles,
  counts: RowCounts,
  { onProgress, ...options }: PrepareOptions & { onProgress: OnProgress },
): Promise<PreparedRows & { warnings: string[] }> {
  const { recipe, outputs } = start;
  const rowsOf = async (path: string, count: number, lane: number) => {
    const onDone = (examples: number): void => onProgress('tokenizing', Math.min(1, examples / count));
    const found = await dataTokens(path, tokenizer, {
      ...lengthsOf(start),
      ...options,
      cacheFolder: outputs.cache,
      onDone,
    });
    return { ...found, rows: await asRows(found.sequences, start, lane, options) };
  };
  const task = await rowsOf(train!, counts.train, 0);
  const old = replay === undefined ? null : await rowsOf(replay, counts.replay, 1);
  const plan = new RowPlan({
    task: task.rows,
    replay: old ? { rows: old.rows, share: recipe.method.replay!.share } : undefined,
    batchSize: recipe.train.batch_size,
    microBatchSize: recipe.train.micro_batch_size,
    maxLength: recipe.train.max_length,
    seed: recipe.train.seed,
    ...(recipe.train.group_by_length && { lengthOf: row => task.rows.lengthOf(row) }),
  });
  const trainSampleRows = sampleOf(task.rows);
  return {
    plan,
    steps: stepsOf(start, plan),
    trainSample: trainSampleRows.map(row => task.rows.at(row)!),
    trainSampleRows,
    trainRows: task.rows.length,
    replayRows: old?.rows.length ?? 0,
    droppedRows: task.dropped + (old?.dropped ?? 0),
    dataHashes: { train: task.hash, ...(old && { replay: old.hash }) },
    warnings: [...task.warnings, ...(old?.warnings ?? [])],
  };
}

async function asRows(
  sequences: Sequences,
  { recipe, outputs }: StartCommand,
  lane: number,
  { whenThereIsRoom = write => write(), mostHeld = usuallyHeld }: PrepareOptions,
): Promise<MeasuredRows> {
  const { packing, max_length: maxLength, seed } = recipe.train;
  if (!packing) return singleRows(sequences);
  const isLong = sequences.length > mostHeld;
  return packRows(sequences, new RandomStream(seed, 'pack'), {
    maxLength,
    lane,
    ...(isLong && { setAside: order => setAside(order, tokensFolder(outputs.cache), whenThereIsRoom) }),
  });
}

function stepsOf({ recipe }: StartCommand, plan: RowPlan): number {
  const { max_steps, num_epochs, warmup_steps } = recipe.train;
  if (num_epochs === undefined) return max_steps ?? defaultSteps;
  const steps = plan.stepsOf(num_epochs);
  if (warmup_steps < steps || warmup_steps === 0) return steps;
  const message = `train.warmup_steps (${warmup_steps}) is not below the ${steps} steps of train.num_epochs (${num_epochs}): the peak rate is never reached`;
  throw new EngineError('recipe-invalid', message, { remedy: 'Warm up for a tenth of the steps or less.' });
}

/** The same rows in every run on these data, whatever its seed. */
function sampleOf(rows: Rows): number[] {
  return new RandomStream(0, 'draw').beginningOfPermutation(klRows, rows.length);
}

const lengthsOf = ({ recipe }: StartCommand): SequenceOptions => ({
  maxLength: recipe.train.max_length,
  tooLong: recipe.train.too_long,
});

/** By the file itself, not its name: a link or a second path to it is the same file. */
async function refuseReplayOfProbes(start: StartCommand): Promise<void> {
  const { replay } = start.recipe.method;
  const file = pathOf(start, replay!.data);
  const same = async (a: string): Promise<string> => realpath(a).catch(() => a);
  const replayed = await Promise.all(dataFiles(file).map(same));
  for (const [name, probe] of Object.entries(start.recipe.retain.probes)) {
    if (!replayed.includes(await same(pathOf(start, probe.file)))) continue;
    throw new EngineError(
      'replay-is-probe',
      `method.replay.data is the probe file of ${name}: what judges must not be trained on`,
      {
        file,
        remedy: 'Replay other texts of the same kind; keep the probe items held out.',
      },
    );
  }
}
