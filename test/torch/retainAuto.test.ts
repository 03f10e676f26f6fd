import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { PreparedData } from '../../src/protocol/prepared.ts';
import type { StartCommand, TrainerEvent } from '../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../engine/support/tinyRun.ts';
import { type Engine, ofType, prepared, runOn } from './engines.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

const writing: TinyRecipe = {
  retain: { auto: { items: 70, tokens: 12, budget: { nats: 0.5 } } },
  train: { max_steps: 4 },
  evaluate: { every: 4, items: 8 },
};

/** With a cache of its own, or that of another run. */
function startIn(cache = mkdtempSync(join(files.folder, 'cache-')), recipe = writing): StartCommand {
  const start = files.start(recipe);
  return { ...start, outputs: { ...start.outputs, cache } };
}

const textsIn = (cache: string): string[] => {
  const folder = join(cache, 'base-texts');
  return readdirSync(folder).map(name => readFileSync(join(folder, name), 'utf8'));
};
const isWriting = (event: TrainerEvent): boolean => event.type === 'progress' && event.phase === 'base writes';

async function run(engine: Engine, start: StartCommand): Promise<TrainerEvent[]> {
  const { events, code, stderr } = await runOn(engine, start);
  assert.equal(code, 0, stderr);
  return events;
}

/** What each engine said when it was the first to need the texts, and its cache. */
const firsts = new Map<Engine, Promise<{ cache: string; wrote: TrainerEvent[] }>>();
function firstRun(engine: Engine): Promise<{ cache: string; wrote: TrainerEvent[] }> {
  const start = startIn();
  const found = firsts.get(engine) ?? run(engine, start).then(wrote => ({ cache: start.outputs.cache, wrote }));
  firsts.set(engine, found);
  return found;
}

for (const [writer, reader] of [
  ['torch', 'node'],
  ['node', 'torch'],
] as const) {
  test(`given the texts that ${writer} wrote, ${reader} tells the same forgetting of them and is compared with it`, async () => {
    const { cache, wrote } = await firstRun(writer);
    const [text] = textsIn(cache);
    const read = await run(reader, startIn(cache));
    assert.deepEqual([wrote.some(isWriting), read.some(isWriting), textsIn(cache)], [true, false, [text]]);
    const comparisons = [wrote, read].map(events => ofType(events, 'prepared')[0]!.fingerprints.comparison);
    assert.equal(comparisons[0], comparisons[1]);
    const [told, found] = [wrote, read].map(events => ofType(events, 'evaluated'));
    assert.equal(told!.length, found!.length);
    for (const [i, { forgetting, kl }] of told!.entries()) {
      const [mine, others] = [forgetting.auto!, found![i]!.forgetting.auto!];
      assert.deepEqual([mine.items, mine.budget, mine.verdict], [others.items, others.budget, others.verdict]);
      for (const key of ['value', 'low', 'high', 'base', 'tuned'] as const) {
        assert.ok(Math.abs(mine[key] - others[key]) < 1e-3, `${key}: ${mine[key]} and ${others[key]}`);
      }
      assert.ok(Math.abs(Number(kl.auto) - Number(found![i]!.kl.auto)) < 1e-3);
    }
    assert.deepEqual([told!.at(-1)!.final, told!.at(-1)!.forgetting.auto!.items], [true, 70]);
    assert.ok(told!.at(-1)!.forgetting.auto!.value > 0);
    for (const events of [wrote, read]) {
      assert.deepEqual(ofType(events, 'prepared')[0]!.probes.auto, { kind: 'text', items: 70, replayed: false });
      assert.ok(ofType(events, 'series').some(({ name }) => name === 'forgetting.auto'));
    }
  });
}

test('both engines draw the same texts from the same base, but for what rounding decides', async () => {
  const texts = await Promise.all(
    (['node', 'torch'] as const).map(async engine => {
      const { cache } = await firstRun(engine);
      const lines = textsIn(cache)[0]!.trimEnd().split('\n').slice(0, -1);
      return lines.map(line => JSON.stringify((JSON.parse(line) as { ids: number[][] }).ids));
    }),
  );
  const equal = texts[0]!.filter((text, i) => text === texts[1]![i]).length;
  assert.ok(texts[0]!.length === 70 && equal >= 66, `${equal} of 70 texts are equal`);
});

test('torch: a check writes nothing and says how long it will take; a stop while the base writes keeps nothing', async () => {
  const start = startIn();
  const checked = await run('torch', { ...start, job: 'check' });
  assert.match(ofType(checked, 'prepared')[0]!.warnings.join(), /base will write 70 texts of 12 tokens .* about \d+ s/);
  // So many that the order to stop comes long before the last.
  const long = startIn(undefined, { ...writing, retain: { auto: { items: 10_000, tokens: 31 } } });
  const stopped = await runOn('torch', long, (event, child) => {
    if (isWriting(event)) child.stdin!.write('{"type":"stop"}\n');
  });
  const end = stopped.events.at(-1);
  assert.ok(end?.type === 'finished' && end.reason === 'stopped', `${JSON.stringify(end)}\n${stopped.stderr}`);
  for (const { outputs } of [start, long]) assert.throws(() => textsIn(outputs.cache), { code: 'ENOENT' });
  const about = JSON.parse(
    readFileSync(join((await prepared(start)).prepared!, 'artifact.json'), 'utf8'),
  ) as PreparedData;
  assert.deepEqual([about.textsToWrite?.items, about.sets.map(({ name }) => name)], [70, ['eval']]);
});

test('drawn answers of the same base are the same on both engines, and end before a stop', async () => {
  const answers = { temperature: 0.8, top_p: 0.9, max_new_tokens: 10, stop: ['zz'] };
  const retain = { prompts: ['code 7:', 'the dog'], answers };
  const said = await Promise.all(
    (['node', 'torch'] as const).map(async engine => {
      const start = files.start({ ...writing, retain });
      const events = await run(engine, { ...start, job: 'generate' });
      return ofType(events, 'sample').map(({ base, tuned }) => [base, tuned]);
    }),
  );
  assert.deepEqual(said[0], said[1]);
  assert.ok(said[0]!.flat().every(text => text.length > 0 && !text.includes('zz')));
});
