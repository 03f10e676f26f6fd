/** What is wrong with a recipe's `stop_if`: a rule that cannot be read, or one that this recipe can never break. */
import { autoSet } from './autoSet.ts';
import { fewestItems } from './fewestItems.ts';
import { nearest } from './keyNames.ts';
import type { Complaint, KeyPath } from './problem.ts';
import type { Budget, Recipe } from './schema.ts';
import { parseStopRule, type Span, type StopRule } from './stopRule.ts';

export function stopRuleComplaints(recipe: Recipe): Complaint[] {
  return (recipe.stop_if ?? []).flatMap((text, place) => complaintsOf(text, ['stop_if', place], recipe));
}

function complaintsOf(text: string, path: KeyPath, recipe: Recipe): Complaint[] {
  const parsed = parseStopRule(text);
  const bad = { severity: 'error' as const, code: 'bad-rule', path, at: 'value' as const };
  if ('problem' in parsed) {
    const { from, to, ...problem } = parsed.problem;
    return [{ ...bad, ...problem, within: { from, to } }];
  }
  const { rule, metric } = parsed;
  const unknown = unknownMetric(rule, recipe);
  if (unknown) return [{ ...bad, ...unknown, within: metric }];
  return 'is' in rule.condition && rule.condition.is === 'forgot' ? verdictComplaints(rule, metric, path, recipe) : [];
}

function unknownMetric(
  { metric }: StopRule,
  recipe: Recipe,
): Pick<Complaint, 'message' | 'remedy' | 'suggestion'> | null {
  const known = metricsOf(recipe);
  if (known.includes(metric)) return null;
  const suggestion = nearest(metric, known);
  const remedy = suggestion ? `Did you mean ${suggestion}?` : `This recipe measures ${known.join(', ')}.`;
  return { message: `No metric of this recipe is called ${metric}`, remedy, ...(suggestion && { suggestion }) };
}

const stepMetrics = [
  'loss',
  'objective',
  'replayLoss',
  'penalty.kl',
  'gradientNorm',
  'learningRate',
  'tokens',
  'taskTokens',
  'tokensPerSecond',
];

/** A name without a set means any set. */
function metricsOf({ retain, data }: Recipe): string[] {
  const probes = [...Object.keys(retain?.probes ?? {}), ...(retain?.auto ? [autoSet] : [])];
  const evals = data.eval === undefined ? [] : typeof data.eval === 'string' ? ['eval'] : Object.keys(data.eval);
  return [
    ...stepMetrics,
    ...(probes.length > 0 ? ['forgetting', ...probes.map(name => `forgetting.${name}`)] : []),
    ...['kl', 'kl.train', ...probes.map(name => `kl.${name}`)],
    ...(evals.length > 0 ? ['learning', ...evals.flatMap(name => [`learning.${name}`, `loss.${name}`])] : []),
  ];
}

function verdictComplaints(rule: StopRule, metric: Span, path: KeyPath, recipe: Recipe): Complaint[] {
  const { auto, probes = {} } = recipe.retain ?? {};
  const sets: [string, { budget?: Budget }][] = [
    ...Object.entries(probes),
    ...(auto ? [[autoSet, auto] as [string, typeof auto]] : []),
  ];
  const meant = sets.filter(([name]) => rule.metric === 'forgetting' || rule.metric === `forgetting.${name}`);
  const complaint = { code: 'rule-never-breaks', path, at: 'value' as const, within: metric };
  if (meant.every(([, { budget }]) => budget === undefined)) {
    const message = `${rule.metric} has no budget, so nothing judges it as forgot`;
    const [first = 'NAME'] = meant[0] ?? [];
    const remedy = `Give retain.${first === autoSet ? '' : 'probes.'}${first} a budget, or compare a number: ${rule.metric} > 0.05.`;
    return [{ ...complaint, severity: 'error', message, remedy }];
  }
  const { items } = recipe.evaluate;
  if (items >= fewestItems) return [];
  const message = `evaluate.items is ${items}: under ${fewestItems} items the verdict is "cannot tell", so this rule is never broken`;
  const remedy = `Set evaluate.items to ${fewestItems} or more, or compare a number: ${rule.metric} > 0.05.`;
  return [{ ...complaint, severity: 'warning', message, remedy }];
}
