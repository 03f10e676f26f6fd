import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRecipe } from '../../src/recipe/parse.ts';
import { cpuMs, isWithinCpu } from '../slowness.ts';

const first = (text: string): [string, number, number] => {
  const started = cpuMs();
  const { recipe, problems } = parseRecipe(text);
  assert.equal(recipe, null);
  assert.ok(isWithinCpu(cpuMs() - started, 5000), 'it ends');
  const { code, range, remedy } = problems[0]!;
  assert.ok(remedy, `a remedy for ${code}`);
  return [code, range.line, range.column];
};

test('a file over 256 KB is refused unread, counted in bytes', () => {
  assert.deepEqual(first(`name: ${'x'.repeat(256 * 1024)}`), ['too-big', 1, 1]);
  assert.deepEqual(first(`name: ${'ü'.repeat(128 * 1024)}`), ['too-big', 1, 1]);
});

test('an alias bomb is refused', () => {
  const rows = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i++)
    rows.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  assert.equal(first(rows.join('\n'))[0], 'aliases');
});

test('an alias that holds itself is refused', () => {
  assert.equal(first('model: &x [*x]')[0], 'too-deep');
});

test('an alias without an anchor is refused at its place', () => {
  assert.deepEqual(first('model: *nope'), ['yaml', 1, 8]);
});

test('an honest alias is followed', () => {
  const { recipe } = parseRecipe(
    'model: &m tiny\ndata: { train: a }\nretain: { base: *m, probes: { p: { file: b } } }\n',
  );
  assert.equal(recipe?.retain?.base, 'tiny');
});

test('nesting deeper than 32 is refused', () => {
  assert.equal(first(`a: ${'['.repeat(40)}${']'.repeat(40)}`)[0], 'too-deep');
  assert.equal(first(`a: ${'['.repeat(5000)}`)[0], 'too-deep');
  assert.equal(first(`a: ${'['.repeat(20_000)}`)[0], 'too-big');
});

test('merge keys and tags are refused at their place', () => {
  assert.deepEqual(first('a: &a { b: 1 }\ntrain:\n  <<: *a\n'), ['merge-key', 3, 3]);
  assert.equal(first('model: !!js/function "x"\n')[0], 'tag');
  assert.equal(first('model: !mine x\n')[0], 'tag');
});

test('a key twice, a tab, a missing bracket and a second document are told with line and column', () => {
  assert.deepEqual(first('model: a\nmodel: b\n'), ['duplicate-key', 2, 1]);
  assert.deepEqual(first('train:\n\tseed: 1\n'), ['tab', 2, 1]);
  assert.deepEqual(first('data: { train: a\nmodel: b\n').slice(0, 1), ['yaml']);
  assert.deepEqual(first('model: a\n---\nmodel: b\n'), ['yaml', 2, 1]);
});

test('keys that would reach into objects are refused', () => {
  assert.equal(first('__proto__: { polluted: 1 }\n')[0], 'bad-key');
  assert.equal(first('constructor: 1\nmodel: m\ndata: { train: a }\n')[0], 'unknown-key');
  assert.equal(first('model: m\ndata: { train: a }\nretain: { probes: { toString: { file: b } } }\n')[0], 'bad-name');
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('a key that is no word is refused', () => {
  assert.equal(first('? [a, b]\n: 1\n')[0], 'bad-key');
});

test('an empty file, a list and a lone word are no recipes', () => {
  assert.deepEqual(first(''), ['empty', 1, 1]);
  assert.deepEqual(first('# nothing but a comment\n'), ['empty', 1, 1]);
  assert.deepEqual(first('- a\n- b\n'), ['wrong-type', 1, 1]);
  assert.deepEqual(first('hello\n'), ['wrong-type', 1, 1]);
});

test('any cut of a recipe, and any byte in it, gives problems or a recipe, never an exception', () => {
  const text =
    'model: m\ndata: { train: a.jsonl }\nretain:\n  probes:\n    p: { file: b.txt, budget: { nats: 0.1 } }\n';
  for (let length = 0; length <= text.length; length++) parseRecipe(text.slice(0, length));
  for (const odd of ['\0', '\t', '{', '*', '&', '!', '|', '"', '\u2028', '\ud800', '%', '@', '- ', ': ', '?']) {
    for (let at = 0; at < text.length; at += 3) parseRecipe(text.slice(0, at) + odd + text.slice(at));
  }
});
