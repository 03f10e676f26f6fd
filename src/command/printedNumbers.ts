/** Numbers that a program prints as JSON, one object a line: metrics of a step. Knows nothing of programs. */
import type { StepEvent } from '../protocol/trainer.ts';

/** Keys that say which step it is. */
const stepKeys = ['step', 'global_step', 'iter', 'iteration'];
/** Names of other trainers → ours. */
const ourNames: Record<string, string> = {
  train_loss: 'loss',
  grad_norm: 'gradientNorm',
  lr: 'learningRate',
  learning_rate: 'learningRate',
};
const mostNumbers = 64;

/** `null` for a line that is no JSON object with numbers. Without a step of its own it is the one after `last`. */
export function stepOfLine(line: string, last: number): StepEvent | null {
  const text = line.trim();
  if (!text.startsWith('{') || text.length > 64 * 1024) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const numbers = Object.entries(value as Record<string, unknown>).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
  );
  const metrics = numbers.filter(([name]) => !stepKeys.includes(name)).slice(0, mostNumbers);
  if (metrics.length === 0) return null;
  const said = numbers.find(([name]) => stepKeys.includes(name))?.[1];
  const step = said !== undefined && Number.isInteger(said) && said >= 0 ? said : last + 1;
  return { type: 'step', step, metrics: Object.fromEntries(metrics.map(([name, n]) => [ourNames[name] ?? name, n])) };
}
