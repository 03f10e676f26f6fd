/**
 * Moves tensors to onnxruntime's device and back, by running a model that only copies: its binding for Node has no other
 * way (a tensor's own getData ends the process). Knows no graphs.
 */
import type * as Ort from 'onnxruntime-node';
import type { Shape } from '../../graph/graph.ts';
import { type DeviceBuffer, DeviceSession, reshaped } from './deviceSession.ts';
import { OnnxGraph, writeOnnxModel } from './onnxModel.ts';

type Sessions = Record<'toDevice' | 'toHost', DeviceSession>;

export class DeviceCopies {
  readonly #ort: typeof Ort;
  readonly #sessions: Sessions;

  private constructor(ort: typeof Ort, sessions: Sessions) {
    this.#ort = ort;
    this.#sessions = sessions;
  }

  /** Throws what keeps the device from being opened. */
  static async open(ort: typeof Ort, options: Ort.InferenceSession.SessionOptions): Promise<DeviceCopies> {
    const model = copyingModel();
    const toDevice = await DeviceSession.open(ort, model, options, ['copy']);
    return new DeviceCopies(ort, { toDevice, toHost: await DeviceSession.open(ort, model, options, []) });
  }

  async toDevice(values: Float32Array, shape: Shape): Promise<DeviceBuffer> {
    const { toDevice } = this.#sessions;
    const { copy } = await toDevice.run({ values: new this.#ort.Tensor('float32', values, [values.length]) });
    return toDevice.hold(copy!, shape);
  }

  async toHost({ tensor }: DeviceBuffer): Promise<Float32Array> {
    const { copy } = await this.#sessions.toHost.run({ values: reshaped(this.#ort, tensor, [tensor.size]) });
    return copy!.data as Float32Array;
  }

  /** A session holds on to what it gave last: after many tensors, give it a small one. */
  async letGo(): Promise<void> {
    (await this.toDevice(new Float32Array(1), [1])).free();
  }

  close(): void {
    for (const session of Object.values(this.#sessions)) session.close();
  }
}

/** As small as a model can be: also for finding out whether a provider opens. */
export function copyingModel(): Uint8Array {
  const onnx = new OnnxGraph();
  onnx.input('values', 'float', ['elements']);
  onnx.node('Identity', ['values'], { outputs: ['copy'] });
  onnx.output('copy', 'float', ['elements']);
  return writeOnnxModel(onnx);
}
