/** `labels`: the model is asked for the token that follows, and its losses are those of its own logits. */
import type { TuningModel } from '../../model/tuningModel.ts';
import { type CheckResult, type FirstStep, failed, type MadeBatch, ok } from './checkResult.ts';
import { firstRows } from './firstRows.ts';
import { mean, type ReferenceToken, referenceTokens } from './reference.ts';

/** Nats. A shift that is better by less may be chance. */
const clearly = 0.1;
/** Below ln V by this much, the model knows something about these rows. */
const informed = 0.5;

export async function checkLabels(model: TuningModel, { batches, familiar }: FirstStep): Promise<CheckResult> {
  const ofTask = await checkRows(model, batches[0]!);
  if (!ofTask.isForeign || !familiar) return ofTask.result;
  const ofProbe = await checkRows(model, familiar);
  return ofProbe.result.status === 'ok'
    ? ok(`told on a probe set; of the task: ${ofTask.result.detail}`)
    : ofProbe.result;
}

/** `isForeign`: the losses are right, but no shift fits well; rows that the base knows must decide. */
async function checkRows(model: TuningModel, made: MadeBatch): Promise<{ result: CheckResult; isForeign: boolean }> {
  const { batch, rows } = firstRows(made, model.vocabularySize);
  const tokens = referenceTokens(batch, rows, await model.logits(batch, 'base'));
  const scores = await model.score(batch, 'base');
  for (const { cell, isTarget, loss } of tokens) {
    if (!isTarget || scores[cell] === 0) continue;
    if (!(Math.abs(scores[cell]! - loss) <= 1e-3 * (1 + loss))) {
      const what = `the loss at cell ${cell} is ${scores[cell]}, recomputed from logits it is ${loss.toFixed(5)}`;
      return { result: failed(what), isForeign: false };
    }
  }
  const result = checkShift(tokens, Math.log(model.vocabularySize));
  return { result, isForeign: result.status === 'failed' };
}

/** Over all tokens, learned or not: what is learned may be new to the model, its surroundings rarely are. */
function checkShift(tokens: ReferenceToken[], chance: number): CheckResult {
  const inner = tokens.filter(({ lossOfNext }) => lossOfNext !== null);
  if (inner.length === 0) return ok('rows too short to test the shift');
  const shift0 = mean(inner.map(({ loss }) => loss));
  const next = mean(inner.map(({ lossOfNext }) => lossOfNext!));
  const previous = mean(inner.map(({ lossOfPrevious }) => lossOfPrevious));
  const numbers = `following token ${shift0.toFixed(3)}, the one after ${next.toFixed(3)}, itself ${previous.toFixed(3)}, guessing ${chance.toFixed(3)}`;
  if (shift0 > chance + 2 * informed) return failed(`the base model does worse than guessing: ${numbers} nats`);
  if (next < shift0 - clearly) return failed(`another shift fits better: ${numbers} nats`);
  if (shift0 > chance - informed) return ok(`the base model hardly knows these rows, no shift can be told: ${numbers}`);
  if (previous < shift0 - clearly) return failed(`another shift fits better: ${numbers} nats`);
  return ok(`${numbers} nats`);
}
