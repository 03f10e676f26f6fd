/**
 * The rules of `stop_if`: "METRIC is forgot", "METRIC is nan", "METRIC > NUMBER", each with "for N steps" or "for N
 * evals" behind it. Knows the grammar and where a text leaves it; not whether a recipe has such a metric.
 */

export type Comparison = '>' | '>=' | '<' | '<=';

export interface StopRule {
  /** As written: its name in marks, reasons and messages. */
  text: string;
  metric: string;
  /** Measured at each step, or at each evaluation. */
  at: 'steps' | 'evals';
  condition: { is: 'forgot' | 'nan' } | { compare: Comparison; value: number };
  /** In a row. */
  times: number;
}

export interface StopRuleProblem {
  message: string;
  remedy: string;
  /** Characters of the text: from, and the one after the last. */
  from: number;
  to: number;
}

export type ParsedStopRule = { rule: StopRule; metric: Span } | { problem: StopRuleProblem };

export interface Span {
  from: number;
  to: number;
}

interface Token extends Span {
  text: string;
}

/** One of each kind. */
export const ruleExamples = [
  'forgetting is forgot for 2 evals',
  'forgetting > 0.05 for 2 evals',
  'kl.train > 0.3',
  'loss is nan',
  'loss > 5 for 10 steps',
];

const examples = 'Write for example "forgetting.general > 0.05 for 2 evals", "loss is nan" or "loss > 5 for 10 steps".';
const mostTimes = 1_000_000;

export function parseStopRule(text: string): ParsedStopRule {
  const tokens = tokensOf(text);
  const end: Token = { text: '', from: text.trimEnd().length, to: text.trimEnd().length };
  const at = (place: number): Token => tokens[place] ?? end;
  const [metric, test, operand] = [at(0), at(1), at(2)];
  if (!/^[a-z]/i.test(metric.text))
    return unexpected(metric, text, 'A rule starts with the name of a metric', examples);
  const condition = conditionOf(metric, test, operand, text);
  if ('problem' in condition) return condition;
  const measured = measuredAt(metric.text);
  const duration = durationOf(tokens.slice(3), end, metric.text, text);
  if ('problem' in duration) return duration;
  const rule = { text: text.trim(), metric: metric.text, at: measured, condition, times: duration.times };
  return { rule, metric: { from: metric.from, to: metric.to } };
}

/** Forgetting, KL, learning and the loss on held-out rows are measured at evaluations, everything else at each step. */
const measuredAt = (metric: string): StopRule['at'] =>
  /^(forgetting|kl|learning)(\.|$)|^loss\./.test(metric) ? 'evals' : 'steps';

function conditionOf(
  metric: Token,
  test: Token,
  operand: Token,
  text: string,
): StopRule['condition'] | { problem: StopRuleProblem } {
  if (test.text === 'is') {
    if (operand.text === 'nan') return { is: 'nan' };
    if (operand.text !== 'forgot') return unexpected(operand, text, 'After "is" comes forgot or nan', examples);
    if (/^forgetting(\.|$)/.test(metric.text)) return { is: 'forgot' };
    return wrong(operand, text, `Only forgetting is judged as forgot, ${metric.text} is a number`, examples);
  }
  if (!isComparison(test.text))
    return unexpected(test, text, `After ${metric.text} comes is, >, >=, < or <=`, examples);
  const value = Number(operand.text || Number.NaN);
  if (Number.isFinite(value)) return { compare: test.text, value };
  return unexpected(operand, text, `After ${test.text} comes a number`, examples);
}

const isComparison = (text: string): text is Comparison => ['>', '>=', '<', '<='].includes(text);

function durationOf(
  tokens: Token[],
  end: Token,
  metric: string,
  text: string,
): { times: number } | { problem: StopRuleProblem } {
  const [word, times = end, unit = end, more] = tokens;
  if (!word) return { times: 1 };
  const whole = measuredAt(metric);
  const remedy = `Write for example "for ${whole === 'evals' ? '2 evals' : '10 steps'}".`;
  if (word.text !== 'for') return unexpected(word, text, 'Here the rule ends, or goes on with "for"', remedy);
  const count = Number(times.text || Number.NaN);
  if (!Number.isInteger(count) || count < 1 || count > mostTimes)
    return unexpected(times, text, `After "for" comes a whole number from 1 to ${mostTimes}`, remedy);
  const meant = /^steps?$/.test(unit.text) ? 'steps' : /^eval(s|uations?)?$/.test(unit.text) ? 'evals' : null;
  if (meant === null) return unexpected(unit, text, 'A rule counts steps or evals', remedy);
  if (meant !== whole) {
    const when = whole === 'evals' ? 'at evaluations' : 'at every step';
    return wrong(unit, text, `${metric} is measured ${when}`, remedy);
  }
  if (more) return unexpected(more, text, 'Here the rule ends', 'One rule an entry: stop_if takes a list.');
  return { times: count };
}

/** What should stand here, and what does. */
function unexpected(token: Token, text: string, expected: string, remedy: string): { problem: StopRuleProblem } {
  const found = token.text === '' ? 'and here the rule ends' : `not "${token.text}"`;
  return wrong(token, text, `${expected}, ${found}`, remedy);
}

/** A place of no width is not seen: what is missing is shown at the last character. */
function wrong(token: Token, text: string, message: string, remedy: string): { problem: StopRuleProblem } {
  const from = token.text === '' ? Math.max(0, token.from - 1) : token.from;
  return { problem: { message, remedy, from, to: Math.max(from + 1, Math.min(token.to, text.length)) } };
}

function tokensOf(text: string): Token[] {
  const word = /[<>]=?|[^\s<>]+/g;
  return [...text.matchAll(word)].map(match => ({
    text: match[0],
    from: match.index,
    to: match.index + match[0].length,
  }));
}
