import assert from 'node:assert/strict';
import { mkdtemp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { check } from '../../../src/engine/checkJob.ts';
import { evaluate } from '../../../src/engine/evaluateJob.ts';
import type { StartCommand, TrainerEvent } from '../../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../support/tinyRun.ts';
import { eventsOf, watchedRun } from '../support/watchedRun.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

const writing: TinyRecipe = {
  retain: { auto: { items: 60, tokens: 12, budget: { nats: 0.5 } } },
  evaluate: { every: 3, items: 8 },
};

/** With a cache of its own: nothing is written there yet. */
async function freshStart(recipe: TinyRecipe = writing): Promise<StartCommand> {
  const start = files.start(recipe);
  return { ...start, outputs: { ...start.outputs, cache: await mkdtemp(join(files.folder, 'cache-')) } };
}

const textsIn = async ({ outputs }: StartCommand): Promise<string[]> =>
  (await readdir(join(outputs.cache, 'base-texts')).catch(() => [])).map(name =>
    join(outputs.cache, 'base-texts', name),
  );
const isWriting = (event: TrainerEvent): boolean => event.type === 'progress' && event.phase === 'base writes';

async function told(job: typeof evaluate, start: StartCommand): Promise<TrainerEvent[]> {
  const events: TrainerEvent[] = [];
  events.push(await job(start, event => events.push(event)));
  return events;
}

test('retain: auto needs no data: nothing is forgotten at step 0, the end judges all texts against the budget', async () => {
  const start = await freshStart();
  const events = await watchedRun(start);
  const evaluated = eventsOf(events, 'evaluated');
  const { auto: first } = evaluated[0]!.forgetting;
  assert.deepEqual([first!.items, first!.kind, Math.abs(first!.value) < 1e-5], [8, 'text', true]);
  const last = evaluated.at(-1)!;
  assert.deepEqual([last.final, last.forgetting.auto!.items, last.forgetting.auto!.budget], [true, 60, { nats: 0.5 }]);
  assert.ok(last.forgetting.auto!.verdict && last.forgetting.auto!.value > 0 && Number(last.kl.auto) > 0);
  const [prepared] = eventsOf(events, 'prepared');
  assert.deepEqual(prepared!.probes.auto, { kind: 'text', items: 60, replayed: false });
  assert.deepEqual(prepared!.warnings, []);
  assert.ok(
    eventsOf(events, 'series').some(({ name, label }) => name === 'forgetting.auto' && /own texts/.test(label!)),
  );
});

test('the texts are written once: other runs, seeds and a judgement of the result read the same file', async () => {
  const start = await freshStart();
  const first = await watchedRun(start);
  assert.ok(first.some(isWriting));
  const [file] = await textsIn(start);
  const before = await stat(file!);
  const other = files.start({ ...writing, train: { seed: 9, max_steps: 2 } });
  const second = await watchedRun({ ...other, outputs: { ...other.outputs, cache: start.outputs.cache } });
  assert.ok(!second.some(isWriting));
  assert.deepEqual([(await textsIn(start)).length, (await stat(file!)).mtimeMs], [1, before.mtimeMs]);
  const fingerprints = [first, second].map(events => eventsOf(events, 'prepared')[0]!.fingerprints);
  assert.equal(fingerprints[0]!.comparison, fingerprints[1]!.comparison);

  const { recipe } = start;
  const judging: StartCommand = {
    ...start,
    job: 'evaluate',
    recipe: { ...recipe, model: 'result', data: { train: 'nothing', eval: {} } },
    paths: { ...start.paths, result: start.outputs.model },
  };
  const judged = eventsOf(await told(evaluate, judging), 'evaluated')[0]!.forgetting.auto!;
  const final = eventsOf(first, 'evaluated').at(-1)!.forgetting.auto!;
  assert.ok(Math.abs(judged.value - final.value) < 1e-4, `${judged.value} and ${final.value}`);
});

test('named sets and retain.auto stand side by side; runs with other texts are not compared', async () => {
  const general = { general: { file: 'general.txt', budget: { nats: 0.5 } } };
  const comparisonOf = async (retain: TinyRecipe['retain']): Promise<string> => {
    const events = await watchedRun(await freshStart({ ...writing, retain, train: { max_steps: 1 } }));
    const { forgetting } = eventsOf(events, 'evaluated').at(-1)!;
    assert.ok(forgetting.general);
    return eventsOf(events, 'prepared')[0]!.fingerprints.comparison;
  };
  const found = [
    await comparisonOf({ probes: general }),
    await comparisonOf({ probes: general, auto: { items: 50, tokens: 12 } }),
    await comparisonOf({ probes: general, auto: { items: 51, tokens: 12 } }),
  ];
  assert.equal(new Set(found).size, 3);
});

test('a run that is stopped while the base writes ends at once and keeps nothing half written', async () => {
  const start = await freshStart();
  const events = await watchedRun(start, (event, control) => {
    if (isWriting(event)) control.stop();
  });
  const [finished] = eventsOf(events, 'finished');
  assert.deepEqual([finished!.reason, finished!.step, await textsIn(start)], ['stopped', 0, []]);
  assert.equal(events.filter(isWriting).length, 1);
});

test('a check writes nothing and says how long the base will write; once that is done it counts the texts', async () => {
  const start = await freshStart();
  const before = await told(check, { ...start, job: 'check' });
  const [prepared] = eventsOf(before, 'prepared');
  assert.match(prepared!.warnings.join(), /base will write 60 texts of 12 tokens for retain\.auto, once: about \S+/);
  const counted = { auto: { kind: 'text', items: 60, replayed: false } };
  assert.deepEqual([prepared!.probes, await textsIn(start), before.some(isWriting)], [counted, [], false]);
  assert.ok(eventsOf(before, 'estimate')[0]!.seconds > 0);
  await watchedRun(start);
  const after = await told(check, { ...start, job: 'check' });
  const [again] = eventsOf(after, 'prepared');
  assert.deepEqual([again!.probes, again!.warnings], [counted, []]);
});

test('fewer texts than a verdict needs are warned of', async () => {
  const events = await watchedRun(await freshStart({ ...writing, retain: { auto: { items: 20, tokens: 12 } } }));
  assert.match(eventsOf(events, 'prepared')[0]!.warnings.join(), /auto has 20 items; under 50 no verdict/);
});
