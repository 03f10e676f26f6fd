/** A recipe that was started before: what that start compiled and scored is taken, and nothing comes out otherwise. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { StartCommand, TrainerEvent } from '../../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../support/tinyRun.ts';
import { eventsOf, modelHash, watchedRun } from '../support/watchedRun.ts';

let files: TinyFiles;
let cache: string;
before(async () => {
  files = await makeTinyFiles();
  cache = await mkdtemp(join(files.folder, 'cache-'));
});

const tuning: TinyRecipe = {
  data: { train: 'train.jsonl', eval: 'eval.jsonl' },
  retain: { probes: { general: { file: 'general.txt' }, sums: { file: 'sums.jsonl' } } },
  method: { regularize: { weight: 0.5 } },
  train: { max_steps: 4, batch_size: 4, max_length: 32 },
  evaluate: { every: 2, items: 8 },
};

function startOf(recipe: TinyRecipe): StartCommand {
  const start = files.start(recipe);
  return { ...start, outputs: { ...start.outputs, cache } };
}

/** Whether anything was scored before the first step. */
function scoredAtFirst(events: TrainerEvent[]): boolean {
  const beginning = events.slice(
    0,
    events.findIndex(({ type }) => type === 'step'),
  );
  return beginning.some(event => event.type === 'progress' && /evaluating|base scores/.test(event.phase));
}

const itemsOf = ({ outputs }: StartCommand): Promise<string> =>
  readFile(join(outputs.items, 'step-000000.jsonl'), 'utf8');

test('a second start scores nothing before its first step, checks all the same, and ends in the same bits', async () => {
  const [first, second] = [startOf(tuning), startOf(tuning)];
  const [one, two] = [await watchedRun(first), await watchedRun(second)];
  assert.ok(scoredAtFirst(one) && !scoredAtFirst(two));
  assert.deepEqual(eventsOf(two, 'checked'), eventsOf(one, 'checked'));
  assert.deepEqual(eventsOf(two, 'evaluated'), eventsOf(one, 'evaluated'));
  assert.equal(await itemsOf(second), await itemsOf(first));
  assert.equal(await modelHash(second), await modelHash(first));
  assert.ok((await readdir(join(cache, 'compiled'))).length > 0);
});

test('another seed is another run: the tuned model is scored again', async () => {
  const events = await watchedRun(startOf({ ...tuning, train: { ...tuning.train, seed: 9 } }));
  assert.ok(scoredAtFirst(events));
});
