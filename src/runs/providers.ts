/**
 * onnxruntime's providers, as a user knows them: what may compute a run of the embedded engine, why one does not open
 * and what to do about it. Opens none.
 */
import { readFileSync } from 'node:fs';

export const providers = ['cpu', 'webgpu', 'dml', 'cuda'] as const;
export type Provider = (typeof providers)[number];
/** All but the CPU, which is everywhere. */
export type GpuProvider = Exclude<Provider, 'cpu'>;

/** Where onnxruntime's packages for Node have it, and what it needs there. */
const needs: Record<GpuProvider, { platforms: readonly string[]; platformsInWords: string; remedy: string }> = {
  webgpu: {
    platforms: ['linux-x64', 'darwin-arm64', 'win32-x64', 'win32-arm64'],
    platformsInWords: 'Linux and Windows on x64, Windows on arm64, and macOS on Apple silicon',
    remedy: {
      linux: 'Install the Vulkan driver of the GPU, and the Vulkan loader (on Debian and Ubuntu: libvulkan1).',
      win32: 'Install the current driver of the GPU; it needs DirectX 12.',
      darwin: 'It needs a GPU that Metal knows, which a virtual machine or a session without a screen may lack.',
    }[process.platform as string]!,
  },
  dml: {
    platforms: ['win32-x64', 'win32-arm64'],
    platformsInWords: 'Windows',
    remedy: 'Install the current driver of the GPU; it needs DirectX 12, and Windows 10 1903 or newer.',
  },
  cuda: {
    platforms: ['linux-x64'],
    platformsInWords: 'Linux on x64',
    remedy:
      "It needs CUDA 12, cuDNN 9, and onnxruntime's own libonnxruntime_providers_shared.so and libonnxruntime_providers_cuda.so beside libonnxruntime.so.1, which do not come with Holdfast. On an NVIDIA GPU, runtime: tensorflow and engine: torch are set up by holdfast doctor.",
  },
};

/** Whether onnxruntime's package for this platform has it. */
export const isOffered = (provider: GpuProvider): boolean =>
  needs[provider].platforms.includes(`${process.platform}-${process.arch}`);

export interface Closed {
  reason: string;
  remedy: string;
}

/** `said`: what onnxruntime gave as the cause. */
export function whyClosed(provider: GpuProvider, said: string): Closed {
  const { platformsInWords, remedy } = needs[provider];
  if (!isOffered(provider)) {
    const reason = `onnxruntime has ${provider} on ${platformsInWords} alone; this is ${process.platform}-${process.arch}`;
    return { reason, remedy: 'Leave provider out, or set provider: cpu.' };
  }
  return { reason: withoutPlaces(said), remedy };
}

/** The last sentence: what comes before names files and functions of onnxruntime's source. */
function withoutPlaces(said: string): string {
  const line = said.trim().split('\n')[0]!;
  return /was false\. (.+)$/.exec(line)?.[1] ?? line;
}

/** Libraries of Vulkan drivers that compute on the CPU. */
const softwareDrivers: [library: string, name: string][] = [
  ['libvk_swiftshader.so', 'SwiftShader'],
  ['libvulkan_lvp.so', 'llvmpipe'],
];

/**
 * Which program that only plays a GPU this process has loaded as its Vulkan driver; undefined where there is none, or
 * where it cannot be told: onnxruntime does not name its adapter, so this is seen on Linux alone.
 */
export function softwareGpu(loaded = loadedLibraries()): string | undefined {
  return softwareDrivers.find(([library]) => loaded.includes(library))?.[1];
}

const loadedLibraries = (): string => (process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : '');
