/**
 * The named checks before the first update: they show that what will be trained and measured is what the recipe says.
 * A failed check stops the run. Knows nothing of wires; takes any TuningModel, so a fault can be planted in one.
 */
import type { CheckedEvent, StepZeroCheck } from '../../../protocol/trainer.ts';
import { EngineError } from '../../engineError.ts';
import type { TuningModel } from '../../model/tuningModel.ts';
import type { CheckResult, FileTensors, FirstStep } from './checkResult.ts';
import { checkLabels } from './labels.ts';
import { checkMask } from './mask.ts';
import { checkNeutral } from './neutral.ts';
import { checkPenalty } from './penalty.ts';
import { checkPrecision } from './precision.ts';
import { checkTrainEqualsEval } from './trainEqualsEval.ts';

export async function stepZeroChecks(model: TuningModel, first: FirstStep, file: FileTensors): Promise<CheckedEvent> {
  const checks: Record<StepZeroCheck, CheckResult> = {
    labels: await checkLabels(model, first),
    mask: await checkMask(model, first),
    precision: await checkPrecision(model, file),
    neutral: await checkNeutral(model, first),
    penalty: await checkPenalty(model, first),
    trainEqualsEval: await checkTrainEqualsEval(model, first),
  };
  return { type: 'checked', ok: Object.values(checks).every(({ status }) => status !== 'failed'), checks };
}

export function refuseFailedChecks({ checks }: CheckedEvent): void {
  const broken = Object.entries(checks).filter(([, { status }]) => status === 'failed');
  if (broken.length === 0) return;
  const details = broken.map(([name, { detail }]) => `${name}: ${detail}`).join('; ');
  throw new EngineError(`check-${broken[0]![0]}`, `Stopped before the first step, because a check failed. ${details}`, {
    remedy: `Nothing was trained. Look at the first batch with Check. ${remedies[broken[0]![0]] ?? otherwise}`,
  });
}

const otherwise = 'If data and model are right, report this.';

const remedies: Record<string, string> = {
  labels:
    'If it is right, the model may know nothing of such text: name a set of texts that it does know first under retain.probes, and that set decides.',
};
