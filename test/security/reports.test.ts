/** Reports go into pull requests and mails: hostile names, settings and errors stay text in Markdown and in pictures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownReport } from '../../src/domain/report.ts';
import { reportPictures } from '../../src/domain/reportPictures.ts';
import type { ComparisonView } from '../../src/protocol/panel.ts';
import { fakeBuckets, fakeComparison, fakeRun } from '../pages/fakeRuns.ts';
import { fill } from '../pages/fillState.ts';
import { hostileStrings } from '../pages/hostileStrings.ts';

const runs = (['plain', 'replay'] as const).map(arm => fakeRun({ arm }));
const original = JSON.stringify(fakeComparison(runs, ['new-town measured other sets']));
const seriesOf = (run: string, name: string) => {
  const fake = runs.find(({ view }) => view.id === run);
  return fake && fakeBuckets(fake, { run, name, columns: 20 });
};

test('no hostile string becomes markup in a report or its pictures', t => {
  let largest = 0;
  for (let from = 0; from < hostileStrings.length; from++) {
    const taken = new Map<string, string>();
    const next = (text: string) => {
      if (!taken.has(text)) taken.set(text, hostileStrings[(from + taken.size) % hostileStrings.length]!);
      return taken.get(text)!;
    };
    const comparison = fill(JSON.parse(original), next) as ComparisonView;
    largest = Math.max(largest, taken.size);
    const report = markdownReport(comparison, { title: next('title'), about: next('about') });
    assert.deepEqual(markupIn(report), [], `from string ${from}`);
    for (const { svg } of reportPictures(comparison, seriesOf)) assert.deepEqual(elementsIn(svg), [], `from ${from}`);
  }
  const all = `${hostileStrings.length} hostile strings at each of ${largest} places of a report and its pictures`;
  t.diagnostic(`C3 ${all}: 0 become markup`);
});

test('markup in a report would be noticed', () => {
  for (const text of ['<img src=x>', '[x](command:y)', '![x](y)', '<!-- x', '</p>', '<https://x>'])
    assert.notDeepEqual(markupIn(text), [], text);
  assert.notDeepEqual(elementsIn('<svg><script>1</script></svg>'), []);
});

/** Tags, links and pictures whose first sign is not escaped. Code spans show their signs as they are. */
function markupIn(markdown: string): string[] {
  const text = markdown.replace(/(?<!\\)(`+)(?:(?!\1).)*\1/g, 'code');
  return [...text.matchAll(/(?<!\\)(?:\\\\)*(<[a-z!/?]|\]\()/gi)].map(({ index }) =>
    text.slice(index - 20, index + 40),
  );
}

/** What the pictures are drawn with; anything else came from a string. */
function elementsIn(svg: string): string[] {
  const own = ['svg', 'title', 'style', 'rect', 'text', 'line', 'path', 'polyline', 'circle', 'g', 'polygon'];
  const found = [...svg.matchAll(/<\/?([a-z][\w:-]*)([^>]*)>/gi)];
  const strange = found.filter(
    ([, name, attributes = '']) => !own.includes(name!) || /\son\w+=|href/i.test(bare(attributes)),
  );
  return strange.map(([element]) => element.slice(0, 80));
}

/** Attributes without their quoted values. */
const bare = (attributes: string): string => attributes.replace(/"[^"]*"/g, '""');
