/** `precision`: the weights in the model are those of the file, bit for bit once widened. */
import type { TuningModel } from '../../model/tuningModel.ts';
import { type CheckResult, failed, ok, type ReadFile, skipped } from './checkResult.ts';

/** Spread over the model; reading every tensor of a large one would take long. */
const sample = 12;

export async function checkPrecision(model: TuningModel, readFile: ReadFile): Promise<CheckResult> {
  const names = model.trainedNames;
  const step = Math.max(1, Math.floor(names.length / sample));
  let compared = 0;
  for (let i = 0; i < names.length; i += step) {
    const name = names[i]!;
    const stored = await readFile(name);
    if (!stored) continue;
    const held = await model.read(name);
    const at = held.length === stored.length ? held.findIndex((value, k) => value !== stored[k]) : 0;
    if (at >= 0) return failed(`${name} holds ${held[at]} at element ${at}, the file ${stored[at]}`);
    compared += 1;
  }
  return compared === 0
    ? skipped('no trained tensor is in the file: only adapters train')
    : ok(`${compared} tensors equal`);
}
