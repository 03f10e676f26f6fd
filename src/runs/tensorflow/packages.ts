/** What TensorFlow for Node is made of, in versions that were tried together, and what it takes. */

/** From the npm registry: the package, and the headers its binding is built with. */
export const npmPackages = { '@tensorflow/tfjs-node-gpu': '4.22.0', 'node-api-headers': '1.9.0' };
/** About what npm fetches for them. */
export const npmBytes = 60_000_000;

export type Build = 'cpu' | 'cuda';

export interface WheelPin {
  project: string;
  version: string;
}

export const tensorflowVersion = '2.21.0';

/** From the Python package index: TensorFlow's libraries and, for CUDA, the oldest of NVIDIA's that this version asks for. */
export const wheels: Record<Build, WheelPin[]> = {
  cpu: [{ project: 'tensorflow-cpu', version: tensorflowVersion }],
  cuda: [
    { project: 'tensorflow', version: tensorflowVersion },
    { project: 'nvidia-cublas-cu12', version: '12.5.3.2' },
    { project: 'nvidia-cuda-cupti-cu12', version: '12.5.82' },
    { project: 'nvidia-cuda-nvcc-cu12', version: '12.5.82' },
    { project: 'nvidia-cuda-nvrtc-cu12', version: '12.5.82' },
    { project: 'nvidia-cuda-runtime-cu12', version: '12.5.82' },
    { project: 'nvidia-cudnn-cu12', version: '9.3.0.75' },
    { project: 'nvidia-cufft-cu12', version: '11.2.3.61' },
    { project: 'nvidia-curand-cu12', version: '10.3.6.82' },
    { project: 'nvidia-cusolver-cu12', version: '11.6.3.83' },
    { project: 'nvidia-cusparse-cu12', version: '12.5.1.3' },
    { project: 'nvidia-nccl-cu12', version: '2.27.7' },
    { project: 'nvidia-nvjitlink-cu12', version: '12.5.82' },
  ],
};

/** On the disk when all is done, and the largest archive beside it before. */
export const diskBytes: Record<Build, number> = { cpu: 1_500_000_000, cuda: 6_000_000_000 };

/**
 * Where a file of a wheel goes in the package's folder `deps`, if anywhere. NVIDIA's libraries lie beside TensorFlow's as
 * they do under Python, which is where TensorFlow looks for them.
 */
export function placeInDeps(name: string): string | undefined {
  const library = /^tensorflow\/(libtensorflow_(?:cc|framework)\.so\.\d+)$/.exec(name)?.[1];
  if (library) return `lib/${library}`;
  const header =
    /^tensorflow\/include\/((?:tensorflow\/c|tensorflow\/core\/platform|tsl\/platform|xla\/tsl\/c)\/.+\.h)$/.exec(
      name,
    )?.[1];
  if (header) return `include/${header}`;
  return /^nvidia\/[^/]+\/(lib|bin|nvvm)\/.+/.test(name) ? name : undefined;
}
