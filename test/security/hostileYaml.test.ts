/**
 * Recipes that somebody wrote to do harm: bombs, tags, pollution, torn text. Each is refused or read, quickly and in
 * little memory, and nothing outside of the result changes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyOverrides } from '../../src/recipe/overrides.ts';
import { parseRecipe } from '../../src/recipe/parse.ts';
import { flattenSettings, resolveRecipe } from '../../src/recipe/resolve.ts';
import { cpuMs, isWithinCpu } from '../slowness.ts';

const slowestMs = 50;
const largestBytes = 50e6;

const honest = 'model: m\ndata: { train: a.jsonl }\n';
const withBody = (body: string) => `${honest}${body}\n`;
const repeat = (text: string, times: number) => Array.from({ length: times }, () => text);

function aliasBomb(levels: number, width: number): string {
  const rows = [`a0: &a0 [${repeat('x', width).join(', ')}]`];
  for (let level = 1; level < levels; level++)
    rows.push(`a${level}: &a${level} [${repeat(`*a${level - 1}`, width).join(', ')}]`);
  return rows.join('\n');
}

const pollution = [
  '__proto__: { polluted: 1 }',
  '"__proto__": { polluted: 1 }',
  'constructor: { prototype: { polluted: 1 } }',
  'prototype: { polluted: 1 }',
  'train: { __proto__: { polluted: 1 } }',
  'train: { constructor: { prototype: { polluted: 1 } } }',
  'retain: { probes: { __proto__: { file: x } } }',
  'retain: { probes: { constructor: { file: x } } }',
  'retain: { __proto__: { polluted: 1 } }',
  'data: { train: a, eval: { __proto__: b } }',
  'a: &a { polluted: 1 }\n__proto__: *a',
  'a: &a { polluted: 1 }\n<<: *a',
  'train:\n  <<: { polluted: 1 }',
  '? __proto__\n: { polluted: 1 }',
  '\\u005f_proto__: { polluted: 1 }',
  '"\\x5f_proto__": { polluted: 1 }',
];
const tags = [
  'name: !!js/function "function () { globalThis.polluted = 1 }"',
  'name: !!js/regexp /(a+)+$/',
  'name: !!js/undefined ""',
  'name: !!python/object/apply:os.system ["touch canary"]',
  'name: !!python/name:os.system ""',
  'name: !ruby/object:Gem::Installer {}',
  'name: !<tag:yaml.org,2002:js/function> x',
  'name: !!timestamp 2026-01-01',
  '%TAG ! tag:evil,2026:\n---\nname: !x y',
  'name: !!binary "AAAA"',
  'name: !!set { a, b }',
  'name: !!omap [a: 1]',
];
const bombs = [
  aliasBomb(9, 9),
  aliasBomb(40, 2),
  aliasBomb(3, 1000),
  'model: &x [*x]',
  'model: &x { a: *x }',
  `a: &a ${repeat('[', 30).join('')}${repeat(']', 30).join('')}\nb: [*a, *a]`,
  `a: ${'['.repeat(20_000)}`,
  `a: ${'{a: '.repeat(10_000)}`,
  `${repeat('- ', 20_000).join('')}x`,
  repeat('a:', 5000)
    .map((key, depth) => ' '.repeat(Math.min(depth, 40)) + key)
    .join('\n'),
  // Just below the limits: what is costly must be costly here.
  `name: ${'"'.repeat(19_900)}`,
  `name: ${'&a '.repeat(4900)}x`,
  `name: ${'x'.repeat(256 * 1024)}`,
  repeat('x', 60_000)
    .map((key, i) => `${key}${i}: 1`)
    .join('\n'),
  `name: |\n${'  a\n'.repeat(40_000)}`,
  `# ${'#'.repeat(200_000)}`,
  `name: ${'&a '.repeat(20_000)}x`,
  `train: { seed: ${'9'.repeat(100_000)} }`,
  `train: { seed: ${'9'.repeat(300)}e${'9'.repeat(300)} }`,
  `name: ${'"'.repeat(100_001)}`,
  `${'? '.repeat(10_000)}a`,
  `name: "${' \\\n'.repeat(30_000)}"`,
];
const odd = [
  '\0\0\0\0',
  'name: "a\0b"',
  'name: "\\0"',
  '\uFEFFname: x',
  'name: "\u202Etxt.exe"',
  'name: "\u001b]0;owned\u0007"',
  '---\n---\n---\n',
  `${honest}...\n---\nmodel: other\n`,
  'model: "../../../../etc/passwd"\ndata: { train: "/dev/zero" }',
  'name: 2026-01-01\nmodel: 0x7f\ndata: { train: .inf }',
];

const corpus = [...pollution.map(withBody), ...tags.map(withBody), ...bombs, ...odd];

test(`${corpus.length} hostile recipes are refused or read, each within ${slowestMs} ms and 50 MB, and reach nothing else`, t => {
  assert.equal(corpus.length, 60);
  const known = Object.getOwnPropertyNames(Object.prototype).length;
  parseRecipe(honest);
  const refused = new Set<number>();
  let slowest = 0;
  let largest = 0;
  for (const [index, text] of corpus.entries()) {
    const name = `recipe ${index}: ${JSON.stringify(text.slice(0, 60))}`;
    const [ms, bytes] = costs(() => {
      const { recipe, problems } = parseRecipe(text, 'hostile.tune.yaml');
      if (recipe) useAsRunsDo(recipe);
      else {
        refused.add(index);
        assert.ok(problems[0]?.message, `${name} says why`);
        assert.ok(problems[0].message.length < 2000, `${name} keeps it short`);
      }
    });
    assert.ok(isWithinCpu(ms, slowestMs), `${name} took ${ms} ms`);
    assert.ok(bytes <= largestBytes, `${name} took ${bytes} bytes`);
    slowest = Math.max(slowest, ms);
    largest = Math.max(largest, bytes);
    assert.equal(({} as Record<string, unknown>).polluted, undefined, name);
    assert.equal((globalThis as Record<string, unknown>).polluted, undefined, name);
    assert.equal(Object.getOwnPropertyNames(Object.prototype).length, known, name);
  }
  const cost = `slowest ${slowest.toFixed(1)} ms of processor time, largest ${(largest / 1e6).toFixed(1)} MB`;
  t.diagnostic(
    `C5 ${corpus.length} hostile YAMLs: ${refused.size} refused, ${corpus.length - refused.size} read; ${cost}`,
  );
});

test('overrides of the command line reach no prototype either', () => {
  const { recipe } = parseRecipe(honest);
  assert.ok(recipe);
  for (const path of ['__proto__.polluted', 'constructor.prototype.polluted', 'train.__proto__.polluted', 'a.b.c'])
    assert.throws(() => applyOverrides(recipe, [`${path}=1`]), path);
  assert.throws(() => applyOverrides(recipe, ['train.seed=!!js/function x']));
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

type Recipe = NonNullable<ReturnType<typeof parseRecipe>['recipe']>;

/** What is read goes on through resolving and listing. */
function useAsRunsDo(recipe: Recipe): void {
  flattenSettings(resolveRecipe(recipe, { variant: 'as-written', fileName: 'hostile.tune.yaml' }));
}

/** The best of five: somebody else's work on the machine is no cost of ours. */
function costs(work: () => void): [ms: number, bytes: number] {
  let ms = Number.POSITIVE_INFINITY;
  let bytes = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 5; tries++) {
    const [started, before] = [cpuMs(), process.memoryUsage().rss];
    work();
    ms = Math.min(ms, cpuMs() - started);
    bytes = Math.min(bytes, Math.max(0, process.memoryUsage().rss - before));
  }
  return [ms, bytes];
}
