/** `trainEqualsEval`: the loss that is trained on and the loss that is measured are the same number. */
import { taskKind } from '../../data/rows.ts';
import type { TuningModel } from '../../model/tuningModel.ts';
import { type CheckResult, type FirstStep, failed, ok } from './checkResult.ts';

export async function checkTrainEqualsEval(model: TuningModel, { batches }: FirstStep): Promise<CheckResult> {
  const { loss } = await model.probe(batches.map(({ batch }) => batch));
  let sum = 0;
  let count = 0;
  for (const { batch } of batches) {
    if (batch.kinds[0] !== taskKind) continue;
    const scores = await model.score(batch, 'tuned');
    for (const score of scores) sum += score;
    for (const label of batch.labels) if (label >= 0) count += 1;
  }
  const measured = sum / count;
  if (!(Math.abs(loss - measured) <= 1e-4 * (1 + measured))) {
    return failed(`training says ${loss} nats per token, evaluation ${measured}`);
  }
  return ok(`${loss.toFixed(5)} and ${measured.toFixed(5)} nats per token`);
}
