/** `precision`: the weights in the model are those of the file, bit for bit once widened. */
import type { TuningModel } from '../../model/tuningModel.ts';
import { type CheckResult, type FileTensors, failed, ok } from './checkResult.ts';

/** Spread over what trains and over the rest; reading every tensor of a large model would take long. */
const sample = 12;

export async function checkPrecision(model: TuningModel, file: FileTensors): Promise<CheckResult> {
  const held = file.names.filter(name => model.state.has(name));
  const trained = new Set(model.trainedNames);
  const names = [...spread(held.filter(name => trained.has(name))), ...spread(held.filter(name => !trained.has(name)))];
  for (const name of names) {
    const [inModel, inFile] = [await model.read(name), await file.read(name)];
    if (inModel.length !== inFile.length)
      return failed(`${name} has ${inModel.length} numbers, the file ${inFile.length}`);
    const at = inModel.findIndex((value, i) => value !== inFile[i]);
    if (at >= 0) return failed(`${name} holds ${inModel[at]} at element ${at}, the file ${inFile[at]}`);
  }
  return ok(`${names.length} tensors equal those of the file`);
}

function spread(names: string[]): string[] {
  const step = Math.max(1, Math.ceil(names.length / sample));
  return names.filter((_, i) => i % step === 0);
}
