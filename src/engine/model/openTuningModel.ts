/** Opens a base model for tuning as a recipe says. */
import { EngineError } from '../engineError.ts';
import type { OpenFreshModel, OpenTuningModel, TuningModel } from './tuningModel.ts';

export async function openTuningModel(options: OpenTuningModel): Promise<TuningModel> {
  throw new EngineError('not-built', `Cannot open ${options.folder} yet`);
}

export async function openFreshModel(options: OpenFreshModel): Promise<TuningModel> {
  throw new EngineError('not-built', `Cannot open a model of seed ${options.seed} yet`);
}
