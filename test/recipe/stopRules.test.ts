import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRecipe } from '../../src/recipe/parse.ts';
import { resolveRecipe } from '../../src/recipe/resolve.ts';
import { parseStopRule, ruleExamples } from '../../src/recipe/stopRule.ts';

const start =
  'model: m\ndata: { train: a.jsonl, eval: e.jsonl }\nretain: { probes: { general: { file: p.txt, budget: { nats: 0.05 } }, free: { file: q.txt } } }\nevaluate: { items: 64 }\n';

const rule = (text: string) => {
  const parsed = parseStopRule(text);
  assert.ok('rule' in parsed, JSON.stringify(parsed));
  const { text: _, ...rest } = parsed.rule;
  return rest;
};

test('rules are read as they are written', () => {
  assert.deepEqual(rule('forgetting.general is forgot for 2 evals'), {
    metric: 'forgetting.general',
    at: 'evals',
    condition: { is: 'forgot' },
    times: 2,
  });
  assert.deepEqual(rule('forgetting.general > 0.05 for 2 evals').condition, { compare: '>', value: 0.05 });
  assert.deepEqual(rule('kl.train > 0.3'), {
    metric: 'kl.train',
    at: 'evals',
    condition: { compare: '>', value: 0.3 },
    times: 1,
  });
  assert.deepEqual(rule('loss is nan'), { metric: 'loss', at: 'steps', condition: { is: 'nan' }, times: 1 });
  assert.deepEqual(rule('  loss>5   for 10 steps '), {
    metric: 'loss',
    at: 'steps',
    condition: { compare: '>', value: 5 },
    times: 10,
  });
  assert.deepEqual(rule('tokensPerSecond <= 1e3 for 1 step').condition, { compare: '<=', value: 1000 });
  assert.deepEqual(rule('loss.eval > 3 for 1 evaluation').at, 'evals');
});

/** The rule, with what is marked in ⟦ ⟧, and what is said. */
const wrong: [string, RegExp][] = [
  ['⟦>⟧ 5', /starts with the name of a metric, not ">"/],
  ['los⟦s⟧', /After loss comes is, >, >=, < or <=, and here the rule ends/],
  ['loss ⟦equals⟧ 5', /After loss comes is, .*, not "equals"/],
  ['loss ⟦==⟧ 5', /not "=="/],
  ['loss > ⟦five⟧', /After > comes a number, not "five"/],
  ['loss ⟦>⟧', /After > comes a number, and here the rule ends/],
  ['loss is ⟦bad⟧', /After "is" comes forgot or nan, not "bad"/],
  ['loss is ⟦forgot⟧', /Only forgetting is judged as forgot/],
  ['loss > 5 ⟦during⟧ 3 steps', /goes on with "for", not "during"/],
  ['loss > 5 for ⟦ten⟧ steps', /whole number from 1 to 1000000, not "ten"/],
  ['loss > 5 for ⟦0⟧ steps', /whole number/],
  ['loss > 5 for 1⟦0⟧', /counts steps or evals, and here the rule ends/],
  ['loss > 5 for 2 ⟦evals⟧', /loss is measured at every step/],
  ['forgetting.general > 5 for 2 ⟦steps⟧', /forgetting\.general is measured at evaluations/],
  ['loss > 5 for 2 steps ⟦and⟧ kl > 2', /Here the rule ends, not "and"/],
  ['⟦los⟧ > 5', /No metric of this recipe is called los/],
  ['⟦forgetting.genral⟧ is forgot', /No metric/],
  ['⟦forgetting.free⟧ is forgot', /forgetting\.free has no budget/],
];

for (const [marked, says] of wrong) {
  test(`"${marked}" is refused at its place`, () => {
    const text = marked.replace(/[⟦⟧]/g, '').trimEnd();
    const [from, to] = [marked.indexOf('⟦'), Math.min(marked.indexOf('⟧') - 1, text.length)];
    for (const [before, after] of [
      ['stop_if: "', '"'],
      ['stop_if: [loss is nan, "', '"]'],
      ["stop_if:\n  - '", "'"],
    ] as const) {
      const { problems, recipe } = parseRecipe(`${start}${before}${text}${after}\n`);
      const [problem] = problems;
      assert.equal(recipe, null);
      assert.match(problem?.message ?? '', says);
      assert.ok(problem?.remedy);
      const column = before.length - before.lastIndexOf('\n') - 1;
      const { column: found, endColumn } = problem!.range;
      assert.deepEqual([found, endColumn], [column + 1 + from, column + 1 + to]);
    }
  });
}

test('the rules that editors offer are rules', () => {
  for (const text of ruleExamples) assert.deepEqual(parseRecipe(`${start}stop_if: ${text}\n`).problems, []);
});

test('a slip in a name is a quick fix, in place', () => {
  const [problem] = parseRecipe(`${start}stop_if: forgetting.genral > 1\n`).problems;
  assert.deepEqual(
    [problem?.suggestion, problem?.range.column, problem?.range.endColumn],
    ['forgetting.general', 10, 27],
  );
});

test('a rule that can never be broken is warned about: too few items for a verdict', () => {
  const { problems, recipe } = parseRecipe(
    `${start.replace('items: 64', 'items: 32')}stop_if: forgetting is forgot for 2 evals\n`,
  );
  assert.deepEqual(
    problems.map(({ code, severity }) => [code, severity]),
    [['rule-never-breaks', 'warning']],
  );
  assert.match(problems[0]!.message, /evaluate\.items is 32: under 50/);
  assert.ok(recipe);
});

test('one rule or a list of them: a run gets a list, and a run without rules no key', () => {
  const resolved = (text: string) =>
    resolveRecipe(parseRecipe(start + text).recipe!, { variant: 'plain', fileName: 'a.tune.yaml' });
  assert.deepEqual(resolved('stop_if: loss is nan\n').stop_if, ['loss is nan']);
  assert.deepEqual(resolved('stop_if: [loss is nan, kl > 0.3]\n').stop_if, ['loss is nan', 'kl > 0.3']);
  assert.ok(!('stop_if' in resolved('')));
});
