/** `neutral`: with adapters and methods on, the model still is the base: no forgetting, no divergence. */
import type { TuningModel } from '../../model/tuningModel.ts';
import { type CheckResult, type FirstStep, failed, ok } from './checkResult.ts';

/** f32 noise of a sum over the hidden size, in nats. */
const noise = 1e-3;

export async function checkNeutral(model: TuningModel, { batches }: FirstStep): Promise<CheckResult> {
  const { batch } = batches[0]!;
  const base = await model.score(batch, 'base');
  const tuned = await model.score(batch, 'tuned');
  const divergence = await model.divergence(batch);
  let apart = 0;
  for (let cell = 0; cell < base.length; cell++) apart = Math.max(apart, Math.abs(tuned[cell]! - base[cell]!));
  const kl = divergence.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!(apart <= noise)) return failed(`before any update a token's loss differs from the base's by ${apart} nats`);
  if (!(kl <= noise)) return failed(`before any update the KL to the base is ${kl} nats`);
  return ok(`losses within ${apart.toExponential(1)}, KL within ${kl.toExponential(1)} nats`);
}
