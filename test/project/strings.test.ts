import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bundleFile, collectStrings } from '../../scripts/strings.ts';

test('what the extension and its pages say can be collected for translators', () => {
  const strings = collectStrings();
  for (const text of ['Start Fine-Tune', 'cannot tell', 'No run of this recipe', 'within your budget']) {
    assert.equal(strings[text], text);
  }
});

test('the bundle for translators knows nearly all of it: npm run strings brings it up to date', () => {
  const bundle = JSON.parse(readFileSync(bundleFile, 'utf8')) as Record<string, string>;
  const strings = Object.keys(collectStrings());
  const missing = strings.filter(text => !(text in bundle));
  assert(
    missing.length <= strings.length / 10,
    `${missing.length} sentences are missing: ${missing.slice(0, 5).join(' | ')}`,
  );
});

test('a translation keeps every placeholder of its sentence', () => {
  const german = JSON.parse(readFileSync(bundleFile.replace('.json', '.de.json'), 'utf8')) as Record<string, string>;
  const placeholders = (text: string) => (text.match(/\{\d+\}/g) ?? []).sort();
  for (const [text, translated] of Object.entries(german)) {
    assert.deepEqual(placeholders(translated), placeholders(text), text);
  }
});
