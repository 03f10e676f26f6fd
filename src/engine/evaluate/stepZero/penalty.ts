/** `penalty`: at the base every regularizer is 0 and pulls nowhere. */
import type { TuningModel } from '../../model/tuningModel.ts';
import { type CheckResult, type FirstStep, failed, ok, skipped } from './checkResult.ts';

const noise = 1e-4;

export async function checkPenalty(model: TuningModel, { batches }: FirstStep): Promise<CheckResult> {
  const { penalties, penaltyGradientNorm } = await model.probe(batches.map(({ batch }) => batch));
  const entries = Object.entries(penalties);
  if (entries.length === 0) return skipped('nothing regularizes this run');
  for (const [name, value] of entries) {
    if (!(Math.abs(value) <= noise)) return failed(`${name} is ${value} before any update, it must be 0`);
  }
  if (!(penaltyGradientNorm <= noise)) {
    return failed(`the regularizers' gradient has norm ${penaltyGradientNorm} before any update, it must be 0`);
  }
  return ok();
}
