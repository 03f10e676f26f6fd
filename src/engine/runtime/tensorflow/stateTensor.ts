/** A tensor of the state on TensorFlow's device. An update gives it new values in place of the old ones. */
import { EngineError } from '../../engineError.ts';
import type { DeviceTensor } from '../runtime.ts';
import type { TfTensor } from './tfjs.ts';

export class StateTensor implements DeviceTensor {
  readonly shape: readonly number[];
  #value: TfTensor | undefined;

  constructor(value: TfTensor) {
    this.shape = value.shape;
    this.#value = value;
  }

  get value(): TfTensor {
    if (!this.#value) throw new EngineError('runtime', 'A freed tensor was used');
    return this.#value;
  }

  /** Takes ownership of `value`. */
  replace(value: TfTensor): void {
    this.free();
    this.#value = value;
  }

  free(): void {
    this.#value?.dispose();
    this.#value = undefined;
  }
}
