/**
 * Which of onnxruntime's GPU providers open on this machine: each asked in a process of its own, since a driver may
 * crash, with what a run's trainer would find in its environment.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { childEnvironment } from './childEnvironment.ts';
import { type GpuProvider, isOffered, providers, softwareGpu, whyClosed } from './providers.ts';

export type ProviderLook =
  | { provider: GpuProvider; isOpen: true; adapter: string }
  | { provider: GpuProvider; isOpen: false; reason: string; remedy?: string };

/** A model that copies a list of numbers; a test holds it to the engine's. */
export const smallestModel =
  'CAo6XQoYCgZ2YWx1ZXMSBGNvcHkiCElkZW50aXR5Egdwcm9ncmFtWhwKBnZhbHVlcxISChAIARIMCgoSCGVsZW1lbnRzYhoKBGNvcHkSEgoQCAESDAoKEghlbGVtZW50c0IECgAQFUIRCg1jb20ubWljcm9zb2Z0EAE=';

const program = `const [trainer, provider] = process.argv.slice(1);
const ort = require('node:module').createRequire(trainer)('onnxruntime-node');
const options = { executionProviders: [provider], logSeverityLevel: 4 };
const say = answer => console.log(JSON.stringify(answer));
ort.InferenceSession.create(Buffer.from('${smallestModel}', 'base64'), options).then(
  () => say({ maps: process.platform === 'linux' ? require('node:fs').readFileSync('/proc/self/maps', 'utf8') : '' }),
  error => say({ said: String(error.message) }),
);`;

const answerSchema = z.union([z.object({ maps: z.string() }), z.object({ said: z.string() })]);

const openMs = 30_000;

export function lookAtProviders(engineFolder: string): Promise<ProviderLook[]> {
  return Promise.all(providers.filter(provider => provider !== 'cpu').map(provider => look(engineFolder, provider)));
}

async function look(engineFolder: string, provider: GpuProvider): Promise<ProviderLook> {
  if (!isOffered(provider)) return { provider, isOpen: false, reason: whyClosed(provider, '').reason };
  const closed = (said: string): ProviderLook => ({ provider, isOpen: false, ...whyClosed(provider, said) });
  const env = { ...childEnvironment(), ELECTRON_RUN_AS_NODE: '1' };
  try {
    const args = ['-e', program, join(engineFolder, 'trainer.cjs'), provider];
    const options = { env, timeout: openMs, windowsHide: true, maxBuffer: 2 ** 24 };
    const { stdout } = await promisify(execFile)(process.execPath, args, options);
    const answer = answerSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1)!));
    return 'said' in answer ? closed(answer.said) : { provider, isOpen: true, adapter: adapterIn(answer.maps) };
  } catch (error) {
    const { signal, code } = error as { signal?: string; code?: number };
    return closed(`opening it ended with ${signal ?? `exit code ${code}`}`);
  }
}

/** onnxruntime does not name its adapter; on Linux the Vulkan drivers that were loaded for it can be seen. */
function adapterIn(maps: string): string {
  const drivers = new Set(maps.match(/lib(vk_|vulkan_|GLX_)[\w.-]+$/gm));
  if (drivers.size === 0) return 'an adapter it does not name';
  const software = softwareGpu(maps);
  const named = `the driver ${[...drivers].join(', ')}`;
  return software ? `${named}: ${software}, a program on the CPU` : named;
}
