/**
 * Jobs on finished models: `evaluate` compares the recipe's model with `retain.base` on its probe sets and data.eval;
 * `generate` answers its prompts with both. Nothing is trained.
 */
import type { FinishedEvent, StartCommand } from '../protocol/trainer.ts';
import { EngineError } from './engineError.ts';
import { peakMemoryBytes } from './environment.ts';
import { fingerprintRun } from './evaluate/fingerprints.ts';
import { withBaseTexts } from './openBaseTexts.ts';
import { openFinished } from './openFinished.ts';
import { checkFits, evaluatorOf, type OpenedModels, refuseOtherTokenizer } from './openRun.ts';
import { pathOf, prepareSets, tokenizerOfFinished } from './prepare.ts';
import { samplerOf } from './samples.ts';
import { seriesOf } from './series.ts';
import type { loadTokenizer } from './tokenizer/tokenizer.ts';
import type { Observer } from './trainer.ts';

export async function evaluate(start: StartCommand, observer: Observer): Promise<FinishedEvent> {
  return withBothModels(start, observer, async ({ model, pair, tokenizer, modelFolder, baseFolder }) => {
    const files = await prepareSets(start, tokenizer);
    if (files.sets.length === 0 && !start.recipe.retain.auto) {
      throw new EngineError('data-empty', 'There is nothing to evaluate on', {
        remedy: 'Name at least one probe set.',
      });
    }
    const maxLength = start.recipe.train.max_length;
    const { runtime } = model;
    const ofFiles = await fingerprintRun({
      modelFolder,
      baseFolder,
      tokenizer,
      data: {},
      sets: files.sets,
      maxLength,
      runtime,
    });
    const judged = { ...files, tokenizer, modelFolder, baseFolder, pair, fingerprints: ofFiles };
    const { sets, fingerprints } = await withBaseTexts(start, judged, observer);
    for (const series of seriesOf(start.recipe, sets)) observer(series);
    const evaluator = evaluatorOf(start, { pair, sets, trainSample: [], fingerprints }, observer);
    observer(await evaluator.evaluate(0, true));
  });
}

export async function generate(start: StartCommand, observer: Observer): Promise<FinishedEvent> {
  return withBothModels(start, observer, async ({ model, pair, tokenizer }) => {
    const sampler = samplerOf({ pair, tokenizer, model }, start.recipe, start.outputs.samples);
    if (!sampler) throw new EngineError('data-empty', 'There is no prompt', { remedy: 'Add retain.prompts.' });
    for (const sample of await sampler(0)) observer(sample);
  });
}

type Both = OpenedModels & {
  tokenizer: Awaited<ReturnType<typeof loadTokenizer>>;
  modelFolder: string;
  baseFolder: string;
};

async function withBothModels(
  start: StartCommand,
  observer: Observer,
  work: (both: Both) => Promise<void>,
): Promise<FinishedEvent> {
  const startedAt = performance.now();
  const modelFolder = pathOf(start, start.recipe.model);
  const baseFolder = pathOf(start, start.recipe.retain.base);
  const tokenizer = await tokenizerOfFinished(start);
  await refuseOtherTokenizer(tokenizer, modelFolder, baseFolder);
  const models = await openFinished(start, modelFolder, baseFolder, observer);
  try {
    checkFits(models.model, tokenizer, modelFolder, start.recipe.train.max_length);
    await work({ ...models, tokenizer, modelFolder, baseFolder });
  } finally {
    await models.close();
  }
  const seconds = (performance.now() - startedAt) / 1000;
  return { type: 'finished', reason: 'completed', step: 0, seconds, tokens: 0, peakMemoryBytes: peakMemoryBytes() };
}
