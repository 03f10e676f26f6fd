/**
 * The job `prepare`: everything about the data that a run of this recipe needs, written for another trainer. Reads and
 * hashes files; opens no runtime and loads no weights.
 */
import { join } from 'node:path';
import {
  type PreparedData,
  type PreparedSet,
  type PreparedTraining,
  preparedFiles,
  preparedVersion,
  type TextsToWrite,
} from '../protocol/prepared.ts';
import type { FinishedEvent, StartCommand } from '../protocol/trainer.ts';
import { autoSet } from '../recipe/autoSet.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { writeAtomic } from './atomicFile.ts';
import type { RowPlan } from './data/rowPlan.ts';
import { bucketStep, type Row, scoringParts } from './data/rows.ts';
import { EngineError } from './engineError.ts';
import { peakMemoryBytes } from './environment.ts';
import { baseTextsOf, fingerprintsWith, knownBaseTexts } from './evaluate/baseTexts.ts';
import { type EvaluatedSet, subsetOrder } from './evaluate/evaluator.ts';
import { digest, fingerprintFiles } from './evaluate/fingerprints.ts';
import { scoredRows } from './evaluate/itemScores.ts';
import { firstBatch } from './firstBatch.ts';
import { countsOf, refuseOtherTokenizer } from './openRun.ts';
import {
  type PreparedRun,
  type PreparedWatching,
  type PrepareOptions,
  pathOf,
  prepareJudging,
  prepareRun,
  prepareWatching,
} from './prepare.ts';
import { whenThereIsRoom } from './roomOnDisk.ts';
import type { RunControl } from './runControl.ts';
import { contentIdentity } from './runIdentity.ts';
import { answersOf, promptTokens } from './samples.ts';
import { learningRateSchedule } from './schedule.ts';
import { type SectionArray, type SectionPieces, writeSections } from './sectionFile.ts';
import { seriesOf } from './series.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';
import type { Observer } from './trainer.ts';
import { writeFolderAtomically } from './weights/files.ts';

export async function prepare(start: StartCommand, observer: Observer, control: RunControl): Promise<FinishedEvent> {
  const startedAt = performance.now();
  const folder = start.prepared;
  if (folder === undefined) throw new EngineError('protocol', 'The job prepare was not told where to write');
  const progress = (phase: string, fraction: number): void => observer({ type: 'progress', phase, fraction });
  progress('reading data', 0);
  const read = await prepareFor(start, {
    onProgress: progress,
    whenThereIsRoom: write => whenThereIsRoom(write, observer, control),
  });
  const [modelFolder, baseFolder] = [pathOf(start, start.recipe.model), pathOf(start, start.recipe.retain.base)];
  await refuseOtherTokenizer(read.tokenizer, modelFolder, baseFolder);
  progress('fingerprints', 0);
  const data = isWhole(read) ? read.dataHashes : {};
  const { tokenizer, sets } = read;
  const { max_length: maxLength } = start.recipe.train;
  const isIn4bit = start.recipe.adapter?.load_in_4bit;
  const found = await fingerprintFiles({ modelFolder, baseFolder, tokenizer, data, sets, maxLength, isIn4bit });
  const { run, files, texts } = await withKnownTexts(start, read, found);
  progress('writing prepared data', 0);
  const prepared = { ...describe(start, run, files, texts), ...(isWhole(run) && training(start, run, files)) };
  const arrays = { ...(isWhole(run) && trainingArrays(start, run)), ...scoredArrays(run.sets) };
  await whenThereIsRoom(() => write(folder, prepared, arrays), observer, control);
  const seconds = (performance.now() - startedAt) / 1000;
  return { type: 'finished', reason: 'completed', step: 0, seconds, tokens: 0, peakMemoryBytes: peakMemoryBytes() };
}

function prepareFor(start: StartCommand, options: PrepareOptions): Promise<PreparedRun | PreparedWatching> {
  const { command, data } = start.recipe;
  // Finished models are judged by a recipe whose training data nobody has looked for.
  if (start.paths[data.train] === undefined) return prepareJudging(start);
  // A program of the user's own brings its rows itself.
  return command ? prepareWatching(start) : prepareRun(start, options);
}

const isWhole = (run: PreparedWatching): run is PreparedRun => 'plan' in run;

/** Nothing is written here: a set of what the base wrote, or what it has to write. */
async function withKnownTexts<R extends PreparedWatching>(
  { recipe, outputs }: StartCommand,
  run: R,
  files: Files,
): Promise<{ run: R; files: Files; texts?: TextsToWrite }> {
  if (!recipe.retain.auto) return { run, files };
  const { base } = files.scoring;
  const texts = baseTextsOf(recipe.retain.auto, recipe.train, run.tokenizer, String(base), outputs.cache);
  const known = await knownBaseTexts(texts);
  if (!known) return { run, files, texts: { ...texts, order: subsetOrder(texts.items) } };
  return { run: { ...run, sets: [...run.sets, known] }, files: fingerprintsWith(files, known) };
}

type Described = Omit<PreparedData, 'bytes' | 'sections'>;
type Files = Awaited<ReturnType<typeof fingerprintFiles>>;

/** The folder appears whole. */
function write(
  folder: string,
  prepared: Described,
  arrays: Record<string, SectionArray | SectionPieces>,
): Promise<void> {
  return writeFolderAtomically(folder, async temporary => {
    const binary = await writeSections(join(temporary, preparedFiles.arrays), arrays);
    await writeAtomic(join(temporary, preparedFiles.description), JSON.stringify({ ...prepared, ...binary }));
  });
}

function describe(start: StartCommand, run: PreparedWatching, files: Files, texts?: TextsToWrite): Described {
  const { recipe } = start;
  const { tokenizer, sets, warnings } = run;
  const { scoring, ...fingerprints } = files;
  return {
    v: preparedVersion,
    maxLength: recipe.train.max_length,
    scoring: { rows: scoredRows, lengthStep: bucketStep(recipe.train.max_length, scoringParts) },
    sets: describeSets(sets),
    ...(texts && { textsToWrite: texts }),
    prompts: recipe.retain.prompts.map(text => ({ text, ids: tokenizer.encode(text) })),
    answers: describeAnswers(recipe),
    tokenizer: { ...describeTokenizer(tokenizer), samples: tokenizerSamples(run) },
    fingerprints,
    scoringKey: digest(scoring),
    series: seriesOf(recipe, texts ? [...sets, { name: autoSet, kind: 'text' }] : sets),
    warnings,
    evaluate: recipe.evaluate,
  };
}

function describeAnswers(recipe: ResolvedRecipe): PreparedData['answers'] {
  const { maxNewTokens, temperature, topP, seed, stop } = answersOf(recipe);
  return { tokens: maxNewTokens, promptTokens, temperature, topP, seed, stop: [...stop] };
}

const describeTokenizer = (tokenizer: Tokenizer): Omit<PreparedData['tokenizer'], 'samples'> => ({
  bos: tokenizer.bosId,
  addsBos: tokenizer.addsBos,
  eos: tokenizer.eosId,
  stop: [...tokenizer.stopIds],
  size: tokenizer.size,
  fingerprint: tokenizer.fingerprint,
});

const samples = 24;
const sampleTokens = 512;

/** Some of the training rows, or of what is scored, as they read once decoded. */
function tokenizerSamples(run: PreparedWatching): PreparedData['tokenizer']['samples'] {
  const { tokenizer, sets } = run;
  const scored = sets.flatMap(({ items }) => items.slice(0, samples).map(({ sequences }) => sequences));
  const rows = isWhole(run) ? run.plan.rows.task : scored;
  const looked = Array.from({ length: Math.min(samples, rows.length) }, (_, i) => rows.at(i)![0]!);
  const texts = looked.map(({ ids }) => tokenizer.decode([...ids.subarray(0, sampleTokens)]));
  return texts.map(text => ({ text, ids: tokenizer.encode(text) }));
}

function describeSets(sets: EvaluatedSet[]): PreparedSet[] {
  let first = 0;
  return sets.map(({ name, kind, file, fingerprint, replayed, budget, items }) => {
    const starts = startsOf(items.map(({ sequences }) => sequences.length));
    const set: PreparedSet = {
      name,
      kind,
      file,
      fingerprint,
      replayed,
      ...(budget && { budget }),
      lines: items.map(({ line }) => line),
      first,
      starts,
      main: items.map(({ main }) => main),
      ...(kind === 'choice' && { characters: items.map(({ characters }) => [...characters!]) }),
      order: subsetOrder(items.length),
    };
    first += starts.at(-1)!;
    return set;
  });
}

function training(start: StartCommand, run: PreparedRun, files: Files): PreparedTraining {
  const { plan, steps, tokenizer, trainSampleRows } = run;
  const { task, replay } = plan.rows;
  const { batch_size: taskRows, max_length: maxLength } = start.recipe.train;
  const { task: taskMicroRows, replay: replayMicroRows } = plan.microRows;
  return {
    steps,
    rows: { task: task.length, replay: replay.length },
    batch: { taskRows, taskMicroRows, replayMicroRows, lengthStep: bucketStep(maxLength, plan.lengthParts) },
    klRows: trainSampleRows,
    identity: contentIdentity(start, files),
    ...countsOf(run, start.recipe.retain),
    firstBatch: firstBatch(plan, tokenizer),
  };
}

function trainingArrays(
  { recipe }: StartCommand,
  { plan, steps }: PreparedRun,
): Record<string, SectionArray | SectionPieces> {
  const taskRows = new Int32Array(steps * recipe.train.batch_size);
  const replayRows: number[] = [];
  const replayed: number[] = [];
  const learningRates = new Float64Array(steps);
  const schedule = learningRateSchedule(recipe, steps);
  const firstReplayed = plan.rows.task.length;
  for (let step = 1; step <= steps; step++) {
    const { task, replay } = plan.drawn(step);
    taskRows.set(task, (step - 1) * recipe.train.batch_size);
    for (const row of replay) replayRows.push(firstReplayed + row);
    replayed.push(replay.length);
    learningRates[step - 1] = schedule.at(step);
  }
  return {
    ...rowArrays(plan),
    taskRows,
    replayRows: Int32Array.from(replayRows),
    replayStarts: wide(startsOf(replayed)),
    learningRates,
  };
}

/** Task rows come first. Gone through once for each array: the rows of a large file are not held. */
function rowArrays({ rows }: RowPlan): Record<string, SectionPieces> {
  const all = function* (): Iterable<Row> {
    yield* rows.task;
    yield* rows.replay;
  };
  const sequences = function* (): Iterable<Row[number]> {
    for (const row of all()) yield* row;
  };
  return {
    ids: { type: 'int32', pieces: each(sequences(), ({ ids }) => ids) },
    targets: { type: 'uint8', pieces: each(sequences(), ({ targets }) => targets) },
    sequenceStarts: { type: 'int64', pieces: startPieces(each(sequences(), ({ ids }) => ids.length)) },
    rowStarts: { type: 'int64', pieces: startPieces(each(all(), row => row.length)) },
  };
}

function* each<T, U>(items: Iterable<T>, make: (item: T) => U): Iterable<U> {
  for (const item of items) yield make(item);
}

const startsTogether = 2 ** 16;

/** `startsOf`, many at a time. */
function* startPieces(lengths: Iterable<number>): Iterable<BigInt64Array> {
  let end = 0;
  let starts = [0];
  for (const length of lengths) {
    end += length;
    starts.push(end);
    if (starts.length < startsTogether) continue;
    yield wide(starts);
    starts = [];
  }
  yield wide(starts);
}

function scoredArrays(sets: EvaluatedSet[]): Record<string, SectionArray> {
  const sequences = sets.flatMap(({ items }) => items.flatMap(item => item.sequences));
  const { ids, targets, starts } = joined(sequences);
  return { scoredIds: ids, scoredTargets: targets, scoredStarts: starts };
}

function joined(sequences: Row): { ids: Int32Array; targets: Uint8Array; starts: BigInt64Array } {
  const starts = startsOf(sequences.map(({ ids }) => ids.length));
  const ids = new Int32Array(starts.at(-1)!);
  const targets = new Uint8Array(ids.length);
  for (const [i, sequence] of sequences.entries()) {
    ids.set(sequence.ids, starts[i]);
    targets.set(sequence.targets, starts[i]);
  }
  return { ids, targets, starts: wide(starts) };
}

/** Where each of neighbouring parts begins, and behind the last. */
function startsOf(lengths: number[]): number[] {
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1)! + length);
  return starts;
}

const wide = (numbers: number[]): BigInt64Array => BigInt64Array.from(numbers, BigInt);
