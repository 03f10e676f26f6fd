import assert from 'node:assert/strict';
import { test } from 'node:test';
import { curvesChart, planeChart } from '../../src/domain/charts.ts';
import { compareRuns } from '../../src/domain/comparison.ts';
import { estimateBuckets } from '../../src/domain/estimates.ts';
import { markdownReport } from '../../src/domain/report.ts';
import { reportPictures } from '../../src/domain/reportPictures.ts';
import { escapeXml, linearScale } from '../../src/domain/svg.ts';
import { normal, uniform } from './randomValues.ts';
import { accuracy, evaluated, FakeJournal, finished, prepared, setScore } from './runs.ts';

function finishedRun(variant: string, learned: number, forgot: number, name = 'tone') {
  const journal = new FakeJournal({
    id: `run-${variant}`,
    name,
    variant,
    settings: { model: 'tiny', variant, 'train.seed': '1' },
  });
  const replayed = variant === 'replay';
  const sets = (value: number) => ({
    general: setScore(value, { budget: { nats: 0.05 }, verdict: value > 0.07 ? 'forgot' : 'kept', replayed }),
    sums: setScore(value, {
      kind: 'choice',
      accuracy: accuracy(100 * value, 20, 1),
      budget: { points: 2 },
      verdict: 'forgot',
    }),
  });
  journal.say(prepared({ trainedShare: variant === 'narrow' ? 0.3 : 1 })).steps(1, 50);
  journal.say(evaluated(25, learned / 2, sets(forgot / 2))).steps(51, 100);
  return journal.say(evaluated(100, learned, sets(forgot), true), finished(100));
}

const journals = [finishedRun('plain', 2, 0.4), finishedRun('replay', 1.9, 0.03), finishedRun('narrow', 1.8, 0.38)];
const comparison = compareRuns(journals.map(journal => journal.view('finished')));
const seriesOf = (run: string, name: string) =>
  estimateBuckets(series => journals.find(({ state }) => state.identity.id === run)?.state.series.get(series), name);

test('a report holds table, verdicts, sets, cost, settings and what the numbers do not say', () => {
  const report = markdownReport(comparison, { title: 'Support tone' });
  for (const head of [
    '# Support tone',
    '## Result',
    '## Verdicts in words',
    '## Probe set general',
    '## Probe set sums',
    '## What keeping cost',
    '## Settings that differ',
    '## What these numbers do not say',
  ])
    assert.ok(report.includes(`\n${head}\n`) || report.startsWith(`${head}\n`), head);
  assert.match(report, /3 runs of tone\.tune\.yaml on the model tiny, seed 1\./);
  assert.match(report, /\| plain \| \+2\.00 \[1\.90, 2\.10\] \| \+0\.400 \[0\.380, 0\.420\], forgot \|/);
  assert.match(report, /One seed: no claim about the methods/);
  assert.match(report, /20 flipped from right to wrong/);
  assert.match(report, /\| variant \| plain \| replay \| narrow \|/);
});

test('a replayed set is marked wherever it stands', () => {
  const report = markdownReport(comparison, { title: 'x' });
  assert.match(report, /\| replay \| [^|]* \| [^|]* ®, kept \|/);
  assert.match(report, /Replayed in: replay\. There the set wins by construction\./);
  assert.doesNotMatch(report, /\| plain \| [^|]* \| [^|]*®/);
});

test('a difference to plain that noise explains is called noise', () => {
  const report = markdownReport(comparison, { title: 'x' });
  const row = (variant: string): string =>
    report.split('## Probe set general')[1]!.match(new RegExp(`\\| ${variant} .*`))![0];
  assert.match(row('narrow'), /−0\.020 \(within noise\)/);
  assert.match(row('replay'), /−0\.370 \|/);
});

test('every row of every table has as many cells as its head', () => {
  const tables = markdownReport(comparison, { title: 'x' })
    .split('\n\n')
    .filter(block => block.startsWith('|'));
  assert.ok(tables.length >= 5);
  for (const table of tables) {
    const counts = table.split('\n').map(row => row.replaceAll('\\|', '').split('|').length);
    assert.equal(new Set(counts).size, 1, table);
  }
});

test('names out of files cannot break the table, bring markup or links', () => {
  const evil = 'a|b](http://x)<img src=x>\n# head';
  const run = finishedRun(evil, 1, 0.1, evil);
  const report = markdownReport(compareRuns([run.view('finished'), finishedRun('plain', 1, 1).view('finished')]), {
    title: evil,
  });
  assert.doesNotMatch(report, /<img/);
  assert.doesNotMatch(report, /^# head/m);
  assert.doesNotMatch(report, /[^\\]\]\(http/);
});

test('a run that failed is in the report with its reason, and does not stop it', () => {
  const failed = new FakeJournal({ id: 'run-bad', variant: 'regularized' }).say({
    type: 'failed',
    code: 'x',
    message: 'disk full',
  });
  const report = markdownReport(compareRuns([...comparison.runs, failed.view('failed')]), { title: 'x' });
  assert.match(report, /regularized did not finish: disk full/);
  assert.match(report, /\*\*Left out\*\* regularized: not measured yet \(failed\)/);
});

test('nothing to compare still makes a report', () => {
  assert.match(markdownReport(compareRuns([]), { title: 'Empty' }), /^# Empty/);
});

/** As strict as a browser: every tag closed in order, no stray ampersand or angle bracket. */
function assertWellFormed(svg: string): void {
  const stack: string[] = [];
  const withoutStyle = svg.replace(/<style>.*?<\/style>/s, '');
  assert.doesNotMatch(withoutStyle, /&(?!amp;|lt;|gt;|quot;|apos;)/);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  for (const [, close, name, attributes] of withoutStyle.matchAll(/<(\/?)([a-z]+)([^<>]*)>/g)) {
    assert.match(attributes!, /^(\s[\w:-]+="[^"<>]*")*\s?\/?$/, attributes);
    if (close) assert.equal(stack.pop(), name);
    else if (!attributes!.endsWith('/')) stack.push(name!);
  }
  assert.deepEqual(stack, []);
  assert.equal(withoutStyle.replace(/<\/?[a-z][^<>]*>/g, '').match(/[<>]/), null);
}

test('a report has a plane for each set, the curves of loss, and of forgetting with its band', () => {
  const pictures = reportPictures(comparison, seriesOf);
  assert.deepEqual(
    pictures.map(({ file }) => file),
    ['plane-general.svg', 'plane-sums.svg', 'loss.svg', 'forgetting-general.svg', 'forgetting-sums.svg'],
  );
  for (const { svg, alt } of pictures) {
    assertWellFormed(svg);
    assert.ok(alt);
    assert.match(svg, /prefers-color-scheme: dark/);
    assert.doesNotMatch(svg, /href|<script|url\(/);
  }
  assert.match(pictures[0]!.svg, />budget</);
  assert.match(pictures[3]!.svg, /<polygon/);
});

test('text in a picture is escaped', () => {
  const evil = '</text><script>alert("1")</script>&\u0000\'';
  const point = { value: 1, low: 0.5, high: 1.5 };
  const plane = planeChart({
    set: evil,
    unit: evil,
    points: [{ label: evil, learning: point, forgetting: point, onFront: true }],
  });
  const curves = curvesChart({ title: evil, axis: evil, curves: [{ label: evil, steps: [0, 1], values: [1, 2] }] });
  for (const svg of [plane, curves]) {
    assertWellFormed(svg);
    assert.doesNotMatch(svg, /<script/);
  }
  assert.equal(escapeXml('a<b>"&\u0007'), 'a&lt;b&gt;&quot;&amp;');
});

test('any numbers make a well-formed picture with all points inside its frame', () => {
  for (let sample = 0; sample < 60; sample++) {
    const scale = 10 ** (uniform(sample, 0) * 12 - 6);
    const points = Array.from({ length: Math.floor(uniform(sample, 1) * 9) }, (_, i) => {
      const around = (value: number) => ({ value, low: value - scale / 9, high: value + scale / 9 });
      const [learning, forgetting] = [around(scale * normal(sample, i)), around(scale * normal(sample, i + 99))];
      return { label: `run ${i}`, learning, forgetting, onFront: i % 2 === 0 };
    });
    const svg = planeChart({ set: 's', unit: 'nats/token', points, budget: scale / 2 });
    assertWellFormed(svg);
    for (const [, x, y] of svg.matchAll(/<circle cx="([-\d.]+)" cy="([-\d.]+)"/g))
      assert.ok(Number(x) >= 64 && Number(x) <= 720 && Number(y) >= 0 && Number(y) <= 420, `${x}, ${y}`);
  }
});

test('a plane marks the runs that replayed the set, and no other', () => {
  const [general, sums] = reportPictures(comparison, seriesOf);
  assert.match(general!.svg, />replay ® \(front\)</);
  assert.doesNotMatch(general!.svg, />plain ®/);
  assert.doesNotMatch(sums!.svg, /®/);
});

test('more runs than a legend has room for are counted', () => {
  const curves = Array.from({ length: 50 }, (_, i) => ({ label: `run-${i}`, steps: [0, 1], values: [i, 1] }));
  const svg = curvesChart({ title: 't', axis: 'a', curves });
  assert.match(svg, /and 40 more/);
  for (const [, y] of svg.matchAll(/<text [^>]*y="([\d.]+)"/g)) assert.ok(Number(y) <= 320);
});

test('a gap in a series is a gap in its line', () => {
  const svg = curvesChart({
    title: 't',
    axis: 'a',
    curves: [{ label: 'l', steps: [0, 1, 2, 3], values: [1, null, 2, 3] }],
  });
  const [, path] = /<path d="([^"]*)" fill="none"/.exec(svg)!;
  assert.equal(path!.match(/M/g)?.length, 2);
  assert.equal(path!.match(/L/g)?.length, 1);
});

test('the ticks of an axis are round, ascend, and hold the values', () => {
  for (let sample = 0; sample < 200; sample++) {
    const scale = 10 ** (uniform(sample, 0) * 10 - 5);
    const values = [normal(sample, 1) * scale, normal(sample, 2) * scale];
    const { ticks, from, to } = linearScale(values, [0, 100]);
    assert.ok(ticks.length >= 2 && ticks.length <= 13, `${ticks}`);
    assert.ok(from <= Math.min(...values) + scale * 1e-6 && to >= Math.max(...values) - scale * 1e-6);
    assert.ok(ticks.every((tick, i) => i === 0 || tick > ticks[i - 1]!));
  }
});
