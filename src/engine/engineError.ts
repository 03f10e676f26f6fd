import { PlacedError } from '../domain/placedError.ts';

/** Of the model, the data or the training. */
export class EngineError extends PlacedError {
  override readonly name = 'EngineError';
}
