/**
 * A session with results that stay on the device. They lie in memory of the session that made them, and freeing one after
 * its session ends the process: so a session that is closed is given back with the last of its results.
 */
import type * as Ort from 'onnxruntime-node';
import type { Shape } from '../../graph/graph.ts';

/** A tensor on the device. Whoever holds it frees it, once. */
export interface DeviceBuffer {
  readonly tensor: Ort.Tensor;
  free(): void;
}

export class DeviceSession {
  readonly #ort: typeof Ort;
  readonly #session: Ort.InferenceSession;
  #held = 0;
  #isClosed = false;

  private constructor(ort: typeof Ort, session: Ort.InferenceSession) {
    this.#ort = ort;
    this.#session = session;
  }

  /** `onDevice`: names of the results that stay there. */
  static async open(
    ort: typeof Ort,
    model: Uint8Array,
    options: Ort.InferenceSession.SessionOptions,
    onDevice: readonly string[],
  ): Promise<DeviceSession> {
    const preferredOutputLocation = Object.fromEntries(onDevice.map(name => [name, 'gpu-buffer' as const]));
    return new DeviceSession(ort, await ort.InferenceSession.create(model, { ...options, preferredOutputLocation }));
  }

  async run(feeds: Record<string, Ort.Tensor>): Promise<Record<string, Ort.Tensor>> {
    return this.#session.run(feeds);
  }

  /** Takes over a result on the device, whose elements may come in another shape. */
  hold(result: Ort.Tensor, shape: Shape): DeviceBuffer {
    this.#held += 1;
    const free = () => {
      result.dispose();
      this.#held -= 1;
      this.#giveBack();
    };
    return { tensor: reshaped(this.#ort, result, shape), free };
  }

  close(): void {
    this.#isClosed = true;
    this.#giveBack();
  }

  #giveBack(): void {
    if (this.#isClosed && this.#held === 0) void this.#session.release();
  }
}

export const reshaped = (ort: typeof Ort, { gpuBuffer }: Ort.Tensor, dims: Shape): Ort.Tensor =>
  ort.Tensor.fromGpuBuffer(gpuBuffer, { dataType: 'float32', dims });
