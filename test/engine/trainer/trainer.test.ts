import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { evaluate } from '../../../src/engine/evaluateJob.ts';
import { RunControl } from '../../../src/engine/runControl.ts';
import { train } from '../../../src/engine/trainer.ts';
import type { EvaluatedEvent, StartCommand, StepEvent, TrainerEvent } from '../../../src/protocol/trainer.ts';
import { listCheckpoints } from '../../../src/runs/checkpointFiles.ts';
import { makeTinyFiles, type TinyFiles, type TinyRecipe } from '../support/tinyRun.ts';
import { eventsOf, modelHash, watchedRun } from '../support/watchedRun.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

interface Told {
  events: TrainerEvent[];
  start: StartCommand;
}

async function run(start: StartCommand, watch?: Parameters<typeof watchedRun>[1]): Promise<Told> {
  return { events: await watchedRun(start, watch), start };
}

const of = <T extends TrainerEvent['type']>({ events }: Told, type: T) => eventsOf(events, type);
const losses = (told: Told): (number | null)[] => of(told, 'step').map(({ metrics }) => metrics.loss!);
const metric = (told: Told, name: string) => of(told, 'step').map(({ metrics }) => metrics[name]);

const hashOf = ({ start }: Told): Promise<string> => modelHash(start);

const quick: TinyRecipe = { evaluate: { every: 3, items: 8 }, checkpoint: { every: 2, keep: ['all'] } };
const withReplay: TinyRecipe = { ...quick, method: { replay: { data: 'replay.txt', share: 0.3 } } };

test('a run tells its story in order: prepared, series, checks, then steps between evaluations, saved, finished', async () => {
  const told = await run(files.start(quick));
  const story = told.events
    .map(({ type }) => type)
    .filter(type => !['progress', 'series', 'checkpointed'].includes(type));
  const step = 'step';
  assert.deepEqual(story, [
    'prepared',
    'checked',
    'evaluated',
    step,
    step,
    step,
    'evaluated',
    step,
    step,
    step,
    'evaluated',
    'finished',
  ]);
  const declared = new Set(of(told, 'series').map(({ name }) => name));
  for (const { metrics } of of(told, 'step')) {
    for (const name of Object.keys(metrics)) assert.ok(declared.has(name), `${name} was not declared`);
  }
  const [finished] = of(told, 'finished');
  assert.equal(
    finished!.tokens,
    metric(told, 'tokens').reduce((sum: number, tokens) => sum + tokens!, 0),
  );
  assert.ok((await readdir(told.start.outputs.model)).includes('tokenizer.json'));
});

test('a seeded run has the losses it always had, twice in a row to the last bit of the weights', async () => {
  const pinned = [5.790004, 5.545946, 5.417154, 5.147954, 5.086575, 5.011539];
  const [first, second] = [await run(files.start(quick)), await run(files.start(quick))];
  for (const [i, loss] of losses(first).entries())
    assert.ok(Math.abs(loss! - pinned[i]!) < 2e-4, `step ${i + 1}: ${loss}`);
  assert.deepEqual(losses(second), losses(first));
  assert.equal(await hashOf(second), await hashOf(first));
});

test('packing, replay, KL penalty, clipping, decay, warm-up and saving give what torch and transformers give', async () => {
  // Computed once by the torch engine, with torch 2.15 and transformers 5.23, from the same batches.
  const fromTorch = {
    loss: [5.76855, 5.661052, 5.505458, 5.320175, 5.121046, 5.025484],
    replayLoss: [5.789075, 5.739323, 5.685309, 5.463593, 5.325304, 5.251744],
    'penalty.kl': [0, 0.000778, 0.003732, 0.012874, 0.02261, 0.030524],
    gradientNorm: [1.458198, 1.375921, 1.415375, 1.54217, 1.314705, 1.250947],
    generalLossOfTheSavedFolder: 5.267369,
  };
  const told = await run(
    files.start({
      ...quick,
      method: { replay: { data: 'replay.txt', share: 0.3 }, regularize: { weight: 0.5, on: ['task', 'replay'] } },
      train: { packing: true, weight_decay: 0.1, max_grad_norm: 0.05, warmup_steps: 2 },
    }),
  );
  const { generalLossOfTheSavedFolder, ...curves } = fromTorch;
  for (const [name, curve] of Object.entries(curves)) {
    for (const [i, value] of metric(told, name).entries()) {
      assert.ok(Math.abs(value! - curve[i]!) < 1e-4, `${name} of step ${i + 1}: ${value} and ${curve[i]}`);
    }
  }
  const end = of(told, 'evaluated').at(-1)!;
  assert.ok(Math.abs(end.forgetting.general!.tuned - generalLossOfTheSavedFolder) < 1e-4);
});

test('one thread or two make no difference', async () => {
  const one = await run(files.start(withReplay));
  const two = await run(files.start(withReplay, { threads: 2 }));
  assert.equal(await hashOf(two), await hashOf(one));
});

test('before the first step nothing is forgotten; at the end all items are judged on the weights as saved', async () => {
  const told = await run(files.start({ ...quick, output: { dtype: 'bf16' } }));
  const [zero, middle, end] = of(told, 'evaluated') as [EvaluatedEvent, EvaluatedEvent, EvaluatedEvent];
  for (const { value, items } of Object.values(zero.forgetting)) assert.deepEqual([value, items], [0, 8]);
  assert.deepEqual(
    Object.values(zero.kl).map(value => Math.abs(value!) < 1e-6),
    [true, true, true, true],
  );
  assert.deepEqual([zero.final, middle.final, end.final], [false, false, true]);
  const counts = Object.entries(end.forgetting).map(([name, { items }]) => [name, items]);
  assert.deepEqual(counts, [
    ['general', 60],
    ['sums', 55],
    ['grammar', 52],
  ]);
  assert.equal(end.learning.eval!.items, 12);
  assert.ok(end.learning.eval!.value > 0.01);
  assert.ok(end.forgetting.sums!.accuracy);
  assert.equal(end.forgetting.general!.verdict, 'kept');

  await expectSameWhenOpened(told, end);
});

test('an adapter folder, opened on its base, has the tuned losses of its run', async () => {
  const told = await run(files.start({ ...quick, adapter: { type: 'lora', target_modules: ['q_proj', 'up_proj'] } }));
  const end = of(told, 'evaluated').at(-1)!;
  assert.ok(end.learning.eval!.value > 0.001);
  await expectSameWhenOpened(told, end);
});

test('forgetting can be measured against an earlier model than the one that is tuned', async () => {
  const first = await run(files.start(quick));
  const end = of(first, 'evaluated').at(-1)!;
  const second = files.start({
    ...quick,
    evaluate: { every: 3, items: 100 },
    retain: { base: 'before', probes: { general: { file: 'general.txt' } } },
  });
  second.paths = { ...second.paths, before: files.model, model: first.start.outputs.model };
  const zero = of(await run(second), 'evaluated')[0]!;
  assert.ok(Math.abs(zero.forgetting.general!.value - end.forgetting.general!.value) < 1e-6);
  assert.ok(zero.kl.general! > 1e-6);
});

/** Opened as a finished model beside its base, what was saved is what was judged. */
async function expectSameWhenOpened(told: Told, end: EvaluatedEvent): Promise<void> {
  const start: StartCommand = { ...files.start(quick), job: 'evaluate' };
  start.recipe.retain.base = 'before';
  start.paths = { ...start.paths, before: files.model, model: told.start.outputs.model };
  const found: TrainerEvent[] = [];
  await evaluate(start, event => found.push(event));
  const compared = found.find((event): event is EvaluatedEvent => event.type === 'evaluated')!;
  for (const name of ['general', 'sums', 'grammar']) {
    assert.ok(Math.abs(compared.forgetting[name]!.tuned - end.forgetting[name]!.tuned) < 1e-6);
    assert.ok(Math.abs(compared.forgetting[name]!.base - end.forgetting[name]!.base) < 1e-6);
    assert.ok(Math.abs(compared.kl[name]! - end.kl[name]!) < 1e-5);
  }
}

test('per-item results lie beside the means and agree with them', async () => {
  const told = await run(files.start(quick));
  const end = of(told, 'evaluated').at(-1)!;
  const text = await readFile(join(told.start.outputs.items, end.items!), 'utf8');
  const items = text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { set: string; base: { loss: number }; tuned: { loss: number } });
  for (const [name, { value }] of Object.entries(end.forgetting)) {
    const own = items.filter(({ set }) => set === name);
    const mean = own.reduce((sum, { base, tuned }) => sum + tuned.loss - base.loss, 0) / own.length;
    assert.ok(Math.abs(mean - value) < 1e-9);
  }
});

test('replay rows come beside the task rows: task tokens are those of the plain run, and replay loss is told', async () => {
  const plain = await run(files.start(quick));
  const replay = await run(files.start(withReplay));
  assert.deepEqual(metric(replay, 'taskTokens'), metric(plain, 'taskTokens'));
  assert.deepEqual(losses(replay)[0], losses(plain)[0]);
  assert.ok(metric(replay, 'replayLoss').some(loss => typeof loss === 'number'));
  const { probes, warnings } = of(replay, 'prepared')[0]!;
  assert.deepEqual([probes.general!.replayed, probes.sums!.replayed], [true, false]);
  assert.match(warnings.join(), /general is also replayed/);
});

test('a penalty of weight 0 changes nothing, bit for bit', async () => {
  const plain = await run(files.start(quick));
  const weightless = await run(files.start({ ...quick, method: { regularize: { weight: 0 } } }));
  assert.equal(await hashOf(weightless), await hashOf(plain));
});

test('a resumed run goes on as if it had never stopped, to the last bit', async () => {
  const whole = await run(files.start(withReplay));
  const broken = await run(files.start(withReplay), (event, control) => {
    if (event.type === 'step' && event.step === 3) control.stop();
  });
  assert.equal(of(broken, 'finished')[0]!.reason, 'stopped');
  assert.deepEqual(of(broken, 'checkpointed').at(-1)!.folder, 'a1-step-3');
  const checkpoint = join(broken.start.outputs.checkpoints, 'a1-step-3');
  const resumed = await run(files.start(withReplay, { attempt: 2, resume: { checkpoint } }));
  assert.deepEqual(losses(resumed), losses(whole).slice(3));
  assert.deepEqual(
    of(resumed, 'step').map(({ step }) => step),
    [4, 5, 6],
  );
  assert.equal(of(resumed, 'finished')[0]!.tokens, of(whole, 'finished')[0]!.tokens);
  assert.equal(await hashOf(resumed), await hashOf(whole));
});

test('a resume with another recipe, or from a damaged checkpoint, is refused', async () => {
  const told = await run(files.start(quick));
  const checkpoint = join(told.start.outputs.checkpoints, 'a1-step-2');
  const other = files.start({ ...quick, train: { weight_decay: 0.1 } }, { attempt: 2, resume: { checkpoint } });
  await assert.rejects(run(other), { code: 'checkpoint-mismatch' });
  const [tensors] = (await readdir(checkpoint)).filter(name => name.endsWith('.safetensors'));
  const bytes = await readFile(join(checkpoint, tensors!));
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(join(checkpoint, tensors!), bytes);
  await assert.rejects(
    run(files.start(quick, { attempt: 2, resume: { checkpoint } })),
    /has changed since it was written/,
  );
});

test('best and last stay, others go', async () => {
  const told = await run(
    files.start({ ...quick, evaluate: { every: 1, items: 8 }, checkpoint: { every: 1, keep: ['best', 'last'] } }),
  );
  const evaluated = of(told, 'evaluated').filter(({ final, step }) => !final && step > 0);
  const best = evaluated.reduce((a, b) => (b.learning.eval!.tuned < a.learning.eval!.tuned ? b : a)).step;
  const left = (await readdir(told.start.outputs.checkpoints)).sort();
  assert.deepEqual(left, [...new Set([`a1-step-${best}`, 'a1-step-6'])].sort());
});

test('a checkpoint can be asked for between the usual ones', async () => {
  const told = await run(files.start({ ...quick, checkpoint: { every: 100, keep: ['all'] } }), (event, control) => {
    if (event.type === 'step' && event.step === 2) control.checkpoint();
  });
  assert.deepEqual(
    of(told, 'checkpointed').map(({ step }) => step),
    [2, 6],
  );
});

test('a checkpoint that was asked for outlives every clean-up, also at a step that is saved anyway', async () => {
  const start = files.start({ ...quick, checkpoint: { every: 2, keep: ['last'] } });
  await run(start, (event, control) => {
    if (event.type === 'checkpointed') control.recorded(event.folder);
    if (event.type === 'step' && (event.step === 2 || event.step === 3)) control.checkpoint();
  });
  assert.deepEqual(
    (await listCheckpoints(start.outputs.checkpoints)).map(({ step, asked }) => [step, asked === true]),
    [
      [2, true],
      [3, true],
      [6, false],
    ],
  );
});

test('a paused run takes no step until it is resumed; stopping ends the pause too', async () => {
  const control = new RunControl();
  const later = () => new Promise(resolve => setImmediate(resolve, 'waiting'));
  const state = () => Promise.race([control.untilResumed().then(() => 'going'), later()]);
  assert.equal(await state(), 'going');
  control.pause();
  assert.equal(await state(), 'waiting');
  control.resume();
  await control.untilResumed();
  control.pause();
  control.stop();
  await control.untilResumed();

  const told = await run(files.start(quick), (event, steering) => {
    if (event.type !== 'step' || event.step !== 4) return;
    steering.pause();
    afterTurns(500, () => steering.stop());
  });
  assert.equal(of(told, 'finished')[0]!.step, 4);
});

function afterTurns(turns: number, then: () => void): void {
  if (turns === 0) then();
  else setImmediate(() => afterTurns(turns - 1, then));
}

test('a loss that is not finite ends the run, naming step, metric, tensor and last checkpoint, after it was reported as such', async () => {
  const events: TrainerEvent[] = [];
  const diverging = { learning_rate: 1e30, max_grad_norm: 1e30, max_steps: 6 };
  const start = files.start({ ...quick, train: diverging });
  await assert.rejects(
    train(start, event => events.push(event), new RunControl()),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'not-finite');
      assert.match(error.message, /Step \d: .*(loss|objective|gradientNorm) is (NaN|Infinity)/);
      assert.match(error.message, /; the first broken tensor is model\.[\w.]+\.weight$/);
      return true;
    },
  );
  const remedyOf = (every: number) =>
    train(files.start({ ...quick, train: diverging, checkpoint: { every } }), () => {}, new RunControl()).then(
      () => assert.fail('it came to its end'),
      ({ remedy }) => remedy as string,
    );
  assert.match(await remedyOf(1), /The last checkpoint, a1-step-\d, was written while every number was finite/);
  assert.match(await remedyOf(6), /No checkpoint was written before/);
  const last = events.filter((event): event is StepEvent => event.type === 'step').at(-1)!;
  assert.ok(last.nonFinite && Object.keys(last.nonFinite).length > 0);
});

test('what cannot be trained on is refused before any weight moves, with its place', async () => {
  await writeFile(
    join(files.folder, 'leak.jsonl'),
    '{"prompt": "Mara", "completion": " x"}\n{"prompt": "the dogs", "completion": " run 7"}\n',
  );
  await writeFile(join(files.folder, 'long.jsonl'), `{"prompt": "a", "completion": "${'bread '.repeat(60)}"}\n`);
  const bad: [TinyRecipe, string][] = [
    [{ data: { train: 'leak.jsonl' } }, 'probe-overlap'],
    [{ data: { train: 'long.jsonl' } }, 'sequence-too-long'],
    [{ method: { replay: { data: 'general.txt' } } }, 'replay-is-probe'],
    [{ data: { train: 'nothing.jsonl' } }, 'file-missing'],
    [{ retain: { probes: { general: { file: 'general.txt', budget: { points: 2 } } } } }, 'budget-unit'],
    [{ train: { max_length: 128 } }, 'recipe-invalid'],
  ];
  for (const [recipe, code] of bad) await assert.rejects(run(files.start(recipe)), { code }, code);
});
