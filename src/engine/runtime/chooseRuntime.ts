/**
 * Which runtime computes, and why in one sentence. `auto` takes onnxruntime on the CPU, which is everywhere, unless
 * TensorFlow is set up and really computes on a GPU. onnxruntime's own GPUs are taken only when asked for.
 */
import { availableParallelism } from 'node:os';
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import { hasNvidiaDriver } from '../../runs/nvidia.ts';
import { hasTensorflow, tensorflowCommand } from '../../runs/tensorflow/tensorflowFolder.ts';
import { EngineError } from '../engineError.ts';
import { openOnnxRuntime } from './onnxruntime/openOnnxRuntime.ts';
import type { OpenedRuntime, Runtime } from './runtime.ts';
import { openTensorflow } from './tensorflow/openTensorflow.ts';

/** What the recipe asks for. */
export type RuntimeChoice = Pick<ResolvedRecipe, 'runtime' | 'provider'>;

/** Throws with why it does not open. */
export async function openRuntime(
  { runtime: name, provider = 'auto' }: RuntimeChoice,
  threads = availableParallelism(),
  hasDriver = hasNvidiaDriver,
): Promise<Runtime> {
  if (name === 'tensorflow') return demand(name, await openTensorflow({ threads, reason: asRecipeSays }));
  if (provider !== 'auto') {
    const opened = await openOnnxRuntime({ threads, provider, reason: asRecipeSays });
    return demand(`onnxruntime on ${provider}`, opened);
  }
  if (name === 'onnxruntime') return demand(name, await openOnnxRuntime({ threads, reason: asRecipeSays }));
  const { reason, runtime } = await lookForGpu(threads, hasDriver);
  return runtime ?? demand('onnxruntime', await openOnnxRuntime({ threads, reason }));
}

const asRecipeSays = 'the recipe says so';

function demand(name: string, opened: OpenedRuntime): Runtime {
  if (opened.available) return opened.runtime;
  const { reason, remedy } = opened;
  throw new EngineError('no-runtime', `The runtime ${name} does not open: ${reason}`, { remedy });
}

/** What was never measured on a real GPU, and may be a program that only plays one, is nobody's default. */
const unlessAsked = ', and webgpu is taken only where the recipe asks for it';

/** A runtime on a GPU, or why there is none. TensorFlow is loaded only where there may be a GPU for it, as on Linux alone. */
async function lookForGpu(threads: number, hasDriver: () => boolean): Promise<{ reason: string; runtime?: Runtime }> {
  if (!hasDriver()) return { reason: `the CPU, since no GPU with a driver for CUDA was found${unlessAsked}` };
  if (!hasTensorflow()) return { reason: `the CPU, since the GPU here needs TensorFlow: ${tensorflowCommand}` };
  const opened = await openTensorflow({ threads, reason: 'TensorFlow is set up and has found a GPU' });
  if (!opened.available) return { reason: `the CPU, since ${opened.reason}` };
  if (opened.runtime.provider !== 'cpu') return { reason: opened.runtime.reason, runtime: opened.runtime };
  await opened.runtime.close();
  return { reason: 'the CPU, since the TensorFlow that is set up finds no GPU it can use' };
}
