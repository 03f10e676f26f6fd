import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import { estimateBuckets, estimatesSince } from '../../src/domain/estimates.ts';
import { RunState } from '../../src/domain/runState.ts';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { foldVersion } from '../../src/runs/foldCache.ts';
import { cpuMs, isWithinCpu } from '../slowness.ts';
import { accuracy, evaluated, FakeJournal, finished, prepared, setScore } from './runs.ts';

const budget = { nats: 0.05 };
const general = (value: number, verdict: 'kept' | 'forgot' | 'cannot tell') => setScore(value, { budget, verdict });

test('a journal folds into the result that the command line prints', () => {
  const journal = new FakeJournal()
    .say(prepared())
    .say({ type: 'checked', ok: true, checks: { labels: { status: 'ok' }, penalty: { status: 'skipped' } } })
    .steps(1, 50)
    .say(evaluated(25, 1, { general: general(0.2, 'forgot') }))
    .steps(51, 100)
    .say(
      evaluated(
        100,
        1.7,
        {
          general: general(0.03, 'kept'),
          sums: setScore(0.2, { kind: 'choice', accuracy: accuracy(8), budget: { points: 2 }, verdict: 'forgot' }),
        },
        true,
      ),
    )
    .say(finished(100));
  const result = journal.state.result('finished');
  assert.equal(result.steps, 100);
  assert.equal(result.seconds, 40);
  assert.equal(result.tokens, 10_000);
  assert.equal(result.peakMemoryBytes, 300 * 2 ** 20);
  assert.equal(result.tokensPerSecond, 1000);
  assert.deepEqual(result.loss, { first: 3, last: 0.03 });
  assert.equal(result.learning.eval?.value, 1.7);
  assert.equal('base' in result.learning.eval!, false);
  assert.equal(result.forgetting.general?.verdict, 'kept');
  assert.equal(result.forgetting.sums?.accuracy?.drop, 8);
  assert.equal(result.verdict, 'forgot');
  assert.deepEqual(result.kl, { train: 0.2, general: 0.1, direction: 'KL(base || tuned)' });
  assert.deepEqual(result.stepZero, { ok: true, checks: { labels: 'ok', penalty: 'skipped' } });
  assert.equal(result.comparison, 'c1');
  assert.deepEqual(result.warnings, []);
  assert.equal(result.error, undefined);
});

test('the view of a live run tells the step, the phase and the time left', () => {
  const journal = new FakeJournal().say(prepared()).say({ type: 'progress', phase: 'base scores', fraction: 0.305 });
  assert.equal(journal.view().statusText, 'running, base scores 30 %');
  assert.equal(journal.view().secondsLeft, null);
  journal.steps(1, 20);
  const view = journal.view();
  assert.equal(view.statusText, 'running, step 20 of 100');
  assert.equal(view.progress, null);
  // Ten steps a second, eighty to go.
  assert.ok(Math.abs(view.secondsLeft! - 8) < 1e-9);
  assert.equal(journal.view('finished').secondsLeft, null);
  // What comes after the last step is told by its phase.
  assert.equal(journal.steps(21, 100).view().secondsLeft, null);
});

test('what trains a run is told with the reason, of the newest start', () => {
  const launched = (reason: string) => ({ type: 'launched' as const, engine: 'trainer', node: '/bin/python', reason });
  const journal = new FakeJournal();
  assert.equal(journal.view().trainer, null);
  journal.say(launched('the torch engine, as the recipe says; the Node that prepares its data'));
  journal.say(launched('the torch engine, as the recipe says; Python 3.12 with torch 2.9'));
  assert.equal(journal.view().trainer, 'the torch engine, as the recipe says; Python 3.12 with torch 2.9');
});

test('time left counts the evaluations between the steps', () => {
  const journal = new FakeJournal().say(prepared()).steps(1, 10);
  journal.t += 10_000;
  journal.steps(11, 20);
  assert.ok(journal.view().secondsLeft! > 40);
});

test('evaluations become series of forgetting, KL and held-out loss, declared in the catalogue', () => {
  const journal = new FakeJournal()
    .say({ type: 'series', name: 'loss', unit: 'nats/token', lane: 'loss' })
    .steps(1, 2)
    .say(evaluated(2, 1, { general: general(0.2, 'forgot') }));
  const { catalogue } = journal.view();
  assert.deepEqual(
    catalogue.find(({ name }) => name === 'forgetting.general'),
    {
      name: 'forgetting.general',
      unit: 'nats/token',
      lane: 'forgetting',
    },
  );
  assert.equal(catalogue.find(({ name }) => name === 'kl.train')?.lane, 'kl');
  assert.equal(catalogue.filter(({ name }) => name === 'loss').length, 1);
  assert.equal(journal.state.series.get('forgetting.general')?.last, 0.2);
  assert.equal(journal.state.series.get('loss.eval')?.last, 2);
});

test('the intervals of estimates are told with their points, and go with them', () => {
  const journal = new FakeJournal();
  for (const step of [10, 20, 30]) journal.say(evaluated(step, 1, { general: setScore(step / 100) }));
  const seriesOf = (name: string) => journal.state.series.get(name);
  const { low, high } = setScore(0.2);
  const points = estimatesSince(seriesOf, 'forgetting.general', 1)!;
  assert.deepEqual(
    [points.steps, points.values],
    [
      [20, 30],
      [0.2, 0.3],
    ],
  );
  assert.deepEqual([points.low?.[0], points.high?.[0]], [low, high]);
  const whole = estimateBuckets(seriesOf, 'forgetting.general', 0, 40, 1)!;
  assert.deepEqual([whole.low, whole.high], [[setScore(0.1).low], [setScore(0.3).high]], 'what all of them cover');
  assert.equal(estimateBuckets(seriesOf, 'kl.train')?.low, undefined);
  assert.ok(
    journal.state.catalogue.every(({ name }) => !name.includes('/')),
    'their ends are no curves',
  );
  journal.attempt = 2;
  journal.say({ type: 'resumed', fromStep: 20, checkpoint: 'a1-step-20' });
  assert.deepEqual(estimateBuckets(seriesOf, 'forgetting.general')?.low, [setScore(0.1).low, low]);
});

test('the final evaluation replaces the one of the same step: all items, weights as saved', () => {
  const journal = new FakeJournal()
    .say(evaluated(50, 1, { general: general(0.2, 'forgot') }))
    .say(evaluated(50, 1, { general: general(0.03, 'kept') }, true));
  assert.equal(journal.state.evaluations.length, 1);
  assert.equal(journal.state.series.get('forgetting.general')?.last, 0.03);
  assert.equal(journal.view().verdict.overall, 'kept');
});

test('a verdict during the run says that it is one of a subset, at the end that one seed claims nothing', () => {
  const journal = new FakeJournal().say(
    evaluated(5, 1, { general: setScore(0.2, { budget, items: 32, verdict: 'cannot tell' }) }),
  );
  assert.match(journal.view().verdict.note, /at most 32 items/);
  assert.match(journal.state.result('running').warnings[0]!, /subset/);
  journal.say(evaluated(9, 1, { general: general(0.2, 'forgot') }, true));
  assert.doesNotMatch(journal.view().verdict.note, /32/);
  assert.match(journal.view().verdict.note, /One seed: no claim about the method/);
});

test('a resume hides what the older attempt did after the checkpoint, and shows where it took up', () => {
  const journal = new FakeJournal()
    .say(prepared())
    .steps(1, 50)
    .say({ type: 'checkpointed', step: 50, folder: 'a1-step-50', bytes: 9 })
    .steps(51, 70, () => 99)
    .say(evaluated(60, 1, { general: general(0.5, 'forgot') }))
    .say({ type: 'exited', code: null, signal: 'SIGKILL', reason: 'killed', stderr: [] });
  assert.equal(journal.view('failed').error?.code, 'trainer-died');
  journal.attempt = 2;
  journal.say({ type: 'resumed', fromStep: 50, checkpoint: 'a1-step-50' });
  assert.equal(journal.state.step, 50);
  assert.equal(journal.state.series.get('loss')?.lastStep, 50);
  assert.equal(journal.view().evaluation, null);
  assert.equal(journal.view().error, null, 'the older end is past');
  assert.deepEqual(
    journal.view().marks.map(({ kind, step }) => [kind, step]),
    [
      ['checkpoint', 50],
      ['resumed', 50],
    ],
  );
  journal.steps(51, 60, () => 1);
  assert.deepEqual(journal.state.series.get('loss')?.since(50).values, Array(10).fill(1));
});

test('steps that are done again are held beside what came of them before, to the last bit', () => {
  const lossOf = (step: number) => 3 - step / 100;
  const broken = () => {
    const journal = new FakeJournal().say(prepared()).steps(1, 70, lossOf);
    journal.attempt = 2;
    return journal.say({ type: 'resumed', fromStep: 50, checkpoint: 'a1-step-50' });
  };
  assert.equal(broken().view().resumed?.text, 'Resumed at step 50, attempt 2');
  const same = broken().steps(51, 80, lossOf);
  assert.deepEqual(same.view().resumed, {
    fromStep: 50,
    text: 'Resumed at step 50, attempt 2: identical for 20 redone steps',
  });
  const other = broken().steps(51, 80, step => lossOf(step) + (step === 60 ? 0.25 : 0));
  assert.equal(
    other.view().resumed?.text,
    'Resumed at step 50, attempt 2: of 20 redone steps the loss differs from step 60 on, by up to 0.25',
  );
  assert.equal(new FakeJournal().say(prepared()).steps(1, 3).view().resumed, null);
});

test('the tail of an older attempt stays as a branch of its own, and the curve is one', () => {
  const journal = new FakeJournal().say(prepared()).steps(1, 70, () => 1);
  journal.attempt = 2;
  journal.say({ type: 'resumed', fromStep: 50, checkpoint: 'a1-step-50' }).steps(51, 60, () => 2);
  journal.attempt = 3;
  journal.say({ type: 'resumed', fromStep: 55, checkpoint: 'a2-step-55' }).steps(56, 80, () => 2);
  const { series } = journal.state;
  assert.equal(series.get('loss')?.length, 80);
  // Of the second attempt only what the third did not take over.
  assert.deepEqual(series.get('earlier/loss')?.since(0).steps, [51, 52, 53, 54, 55, 56, 57, 58, 59, 60]);
  assert.deepEqual(
    journal
      .view()
      .catalogue.filter(({ earlier }) => earlier)
      .map(({ name }) => name),
    ['earlier/loss'],
  );
  assert.match(journal.view().resumed?.text ?? '', /identical for 5 redone steps/);
});

test("a fork's curve begins with its parent's, up to where it left it", () => {
  const parent = new FakeJournal().say(prepared()).steps(1, 70, () => 1);
  parent.say(evaluated(25, 1, { general: general(0.2, 'forgot') }));
  const fork = new FakeJournal();
  fork.state.inherit(parent.state, 40);
  fork.say({ type: 'resumed', fromStep: 40, checkpoint: 'a1-step-40' }).steps(41, 45, () => 2);
  assert.equal(fork.state.series.get('loss')?.length, 45);
  assert.deepEqual(fork.state.series.get('loss')?.since(38).values, [1, 1, 2, 2, 2, 2, 2]);
  assert.equal(fork.state.evaluations.length, 1);
  assert.equal(parent.state.series.get('loss')?.length, 70);
  const orphan = new FakeJournal();
  orphan.state.inherit(null, 40);
  orphan.say({ type: 'resumed', fromStep: 40, checkpoint: 'a1-step-40' }).steps(41, 45);
  assert.equal(orphan.state.series.get('loss')?.length, 5);
  assert.equal(orphan.state.step, 45);
});

test('records of an attempt that is over are ignored when they arrive late', () => {
  const journal = new FakeJournal().say(prepared()).steps(1, 10);
  const late = journal.record({ type: 'step', step: 11, metrics: { loss: 77 } });
  journal.attempt = 2;
  journal.say({ type: 'resumed', fromStep: 10, checkpoint: 'x' }).steps(11, 12);
  assert.deepEqual(journal.state.apply(late), []);
  assert.equal(journal.state.series.get('loss')?.lastStep, 12);
});

test('records that the journal lacks are counted and told', () => {
  const journal = new FakeJournal().steps(1, 3);
  journal.seq += 4;
  journal.steps(4, 5);
  assert.equal(journal.state.gaps, 4);
  assert.match(journal.state.result('running').warnings.join(), /lacks 4 records/);
});

test('a loss that was not finite is a gap, and told', () => {
  const journal = new FakeJournal().steps(1, 10, step => (step === 7 ? null : 2));
  assert.deepEqual(journal.state.series.get('loss')?.since(5).values, [2, null, 2, 2, 2]);
  assert.match(journal.state.result('finished').warnings.join(), /not finite at 1 of 10 steps/);
  assert.equal(journal.state.result('finished').loss.last, 2);
});

test("a failed run's error is the trainer's own; without one, the last words of its process", () => {
  const failed = new FakeJournal()
    .steps(1, 3)
    .say({ type: 'failed', code: 'bad-row', message: 'row 4 has no text', file: 'a.jsonl', line: 4 });
  failed.say({ type: 'exited', code: 1, signal: null, reason: 'the trainer failed', stderr: ['Error: x'] });
  assert.deepEqual(failed.view('failed').error, {
    code: 'bad-row',
    message: 'row 4 has no text',
    file: 'a.jsonl',
    line: 4,
  });
  assert.equal(failed.view('failed').statusText, 'failed at step 3: row 4 has no text');
  const died = new FakeJournal()
    .steps(1, 7)
    .say({ type: 'exited', code: 137, signal: null, reason: 'exit code 137', stderr: ['out of memory', ''] });
  assert.deepEqual(died.view('failed').error, { code: 'trainer-died', message: 'exit code 137 (out of memory)' });
  assert.equal(new FakeJournal().view('lost').error?.code, 'run-lost');
  assert.equal(died.view('finished').error, null);
});

test('a stopped run has a result and no error', () => {
  const { error, result } = new FakeJournal().say(prepared()).steps(1, 30).view('stopped');
  assert.equal(error, null);
  assert.equal(result?.steps, 30);
  assert.equal(result?.tokens, 3000);
});

test('a queued run has a view before its first record, and no result', () => {
  const view = new FakeJournal().view('queued');
  assert.deepEqual([view.statusText, view.result, view.verdict.overall, view.step], ['queued', null, null, 0]);
  assert.equal('folder' in view, false, 'pages get ids, never paths');
});

test('a run without probe sets says that nothing watches', () => {
  const journal = new FakeJournal().say(evaluated(5, 1, {}, true));
  assert.match(journal.view().verdict.note, /nothing watches for forgetting/);
  assert.equal(journal.state.result('finished').verdict, null);
});

test('apply tells which parts of the view changed', () => {
  const journal = new FakeJournal();
  const changes = (event: Parameters<FakeJournal['record']>[0]) => journal.state.apply(journal.record(event));
  assert.deepEqual(changes({ type: 'alive' }), []);
  assert.ok(changes(prepared()).includes('prepared'));
  assert.ok(changes({ type: 'step', step: 1, metrics: { loss: 1 } }).includes('catalogue'));
  assert.ok(!changes({ type: 'step', step: 2, metrics: { loss: 1 } }).includes('catalogue'));
  assert.ok(changes({ type: 'stopRule', step: 2, rule: 'loss is nan' }).includes('marks'));
});

test('folding twice gives the same view: the fold is pure', () => {
  const build = () =>
    new FakeJournal()
      .say(prepared())
      .steps(1, 40)
      .say(evaluated(40, 1, { general: general(0.1, 'forgot') }));
  assert.deepEqual(build().view(), build().view());
});

test('a series that is declared late takes its unit and lane', () => {
  const journal = new FakeJournal().say({ type: 'step', step: 1, metrics: { mine: 1 } });
  assert.deepEqual(journal.view().catalogue, [{ name: 'mine', unit: '', lane: 'other' }]);
  journal.say({ type: 'series', name: 'mine', unit: 'm', lane: 'speed' });
  assert.deepEqual(journal.view().catalogue, [{ name: 'mine', unit: 'm', lane: 'speed' }]);
});

test('ten thousand series are folded without trouble', () => {
  const journal = new FakeJournal();
  const metrics = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`m${i}`, i]));
  const started = cpuMs();
  for (let step = 1; step <= 20; step++) journal.say({ type: 'step', step, metrics });
  assert.equal(journal.view().catalogue.length, 10_000);
  const took = cpuMs() - started;
  assert.ok(isWithinCpu(took, 5000), `${took} ms`);
});

test('samples of one prompt and step are kept once', () => {
  const sample = { type: 'sample' as const, step: 5, index: 0, prompt: 'p', base: 'b', tuned: 't' };
  const journal = new FakeJournal().say(sample, { ...sample, tuned: 'u' }, { ...sample, index: 1 });
  assert.deepEqual(
    journal.view().samples.map(({ tuned }) => tuned),
    ['u', 't'],
  );
});

test('steps that nobody listened to are missing from the curve, and the result says which', () => {
  const journal = new FakeJournal().say(prepared()).steps(1, 48);
  journal.attempt = 2;
  journal.say({ type: 'resumed', fromStep: 50, checkpoint: 'a1-step-50' }).steps(51, 60);
  assert.match(journal.state.result('running').warnings.join(), /lacks steps 49 to 50/);
  journal.attempt = 3;
  journal.say({ type: 'resumed', fromStep: 40, checkpoint: 'a1-step-40' }).steps(41, 60);
  assert.doesNotMatch(journal.state.result('running').warnings.join(), /lacks/, 'they were done again');
});

/** Everything that a fold tells: its view, its result and every point. */
const told = (state: RunState) => ({
  view: state.view({ status: 'running' }),
  result: state.result('failed'),
  gaps: state.gaps,
  unheard: state.unheard,
  peak: state.peakMemoryBytes,
  series: [...state.series].map(([name, points]) => [
    name,
    { ...points.since(0), total: points.total, nonFinite: points.nonFinite },
  ]),
});

test('a fold that goes through a snapshot, at whatever record, ends as one that was never interrupted', () => {
  const journal = new FakeJournal();
  const records: JournalRecord[] = [];
  const say = (...events: Parameters<FakeJournal['say']>) => {
    for (const event of events) records.push(journal.record(event));
  };
  const steps = (from: number, to: number, loss: (step: number) => number | null) => {
    for (let step = from; step <= to; step++) {
      const metrics: Record<string, number | null> = { loss: loss(step), tokens: 100 };
      if (step % 3 === 0) metrics['loss.replay'] = step / 7;
      say({ type: 'step', step, metrics });
    }
  };
  say(prepared(), { type: 'series', name: 'loss', unit: 'nats/token', lane: 'loss' });
  say({ type: 'checked', ok: true, checks: { labels: { status: 'ok' } } });
  steps(1, 8, step => (step === 4 ? null : 3 / step));
  say(evaluated(8, 1, { general: general(0.2, 'forgot') }));
  say({ type: 'checkpointed', step: 6, folder: 'a1-step-6', bytes: 9 });
  say({ type: 'exited', code: null, signal: 'SIGKILL', reason: 'killed', stderr: ['x'] });
  journal.attempt = 2;
  journal.seq += 3;
  say({ type: 'resumed', fromStep: 6, checkpoint: 'a1-step-6' });
  steps(7, 12, step => (step === 8 ? 9 : 3 / step));
  say(evaluated(12, 1.2, { general: general(0.03, 'kept') }, true), finished(12));

  const identity = journal.state.identity;
  const fold = (state: RunState, some: readonly JournalRecord[]) => {
    for (const record of some) state.apply(record);
    return state;
  };
  const whole = told(fold(new RunState(identity), records));
  assert.equal(whole.gaps, 3);
  assert.match(whole.view.resumed?.text ?? '', /differs from step 8 on/);
  for (let cut = 0; cut <= records.length; cut++) {
    const half = fold(new RunState(identity), records.slice(0, cut));
    const snapshot = deserialize(serialize(half.snapshot()));
    const again = fold(RunState.restore(identity, snapshot), records.slice(cut));
    assert.deepEqual(told(again), whole, `cut after ${cut} records`);
    assert.deepEqual(told(fold(half, records.slice(cut))), whole, 'a snapshot is a copy');
  }
});

test('what a snapshot holds is what its version says: whoever adds a field raises foldVersion', () => {
  const { told } = new FakeJournal().state.snapshot();
  assert.deepEqual(
    [foldVersion, Object.keys(told).join(' ')],
    [
      2,
      'attempt step steps progress startedAt seenAt trainer prepared stepZero samples marks finished failure brokenRule exit peakMemoryBytes redone gaps unheard',
    ],
  );
});
