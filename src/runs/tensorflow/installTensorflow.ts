/**
 * Sets up TensorFlow for Node in a folder of its own: npm's package without its installer, TensorFlow's libraries out of
 * Python wheels, and a binding built here. The folder appears when all of it works; what was begun lies beside it and is
 * taken up.
 */
import { existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { download, missingBytes } from '../download.ts';
import { runInstaller } from '../installTorch.ts';
import { tryLock } from '../lock.ts';
import { nvidiaGpus } from '../nvidia.ts';
import { fromSystem, RunsError, systemCode } from '../runsError.ts';
import { unzip } from '../unzip.ts';
import { buildBinding, findCompiler } from './buildBinding.ts';
import { lookAtTensorflow } from './lookAtTensorflow.ts';
import { findIndex, findWheel, type Wheel } from './packageIndex.ts';
import { type Build, diskBytes, npmPackages, placeInDeps, tensorflowVersion, wheels } from './packages.ts';
import { hasTensorflow, tensorflowFolder, tensorflowPackage } from './tensorflowFolder.ts';

export interface TensorflowPlan {
  folder: string;
  build: Build;
  /** Why this one. */
  reason: string;
  compiler: string;
  npm: string;
  wheels: Wheel[];
  /** Of the wheels: bytes that are still to be fetched. */
  missingBytes: number;
  diskBytes: number;
}

/** What is there already; null when nothing is, or not all of this version. */
export function installedTensorflow(folder = tensorflowFolder()): { tensorflow: string; build: Build } | null {
  if (!hasTensorflow(folder)) return null;
  try {
    return JSON.parse(readFileSync(join(folder, 'holdfast.json'), 'utf8')) as { tensorflow: string; build: Build };
  } catch {
    return null;
  }
}

/** Looks for what it takes; nothing is written. */
export async function planTensorflow(): Promise<TensorflowPlan> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new RunsError(
      'install-failed',
      `TensorFlow for Node is set up on Linux x64 alone; this is ${process.platform} ${process.arch}`,
      {
        remedy: 'The runtime onnxruntime computes here without it.',
      },
    );
  }
  const folder = tensorflowFolder();
  const [gpu] = await nvidiaGpus();
  const build: Build = gpu ? 'cuda' : 'cpu';
  const [compiler, npm] = [findCompiler(), findNpm()];
  const index = await findIndex();
  const found = await Promise.all(wheels[build].map(pin => findWheel(index, pin)));
  const fetched = found.map(wheel => (isUnpacked(folder, wheel) ? 0 : missingBytes(wheel, archiveOf(folder, wheel))));
  return {
    ...{ folder, build, compiler, npm, wheels: found },
    reason: gpu ? `there is an NVIDIA GPU, ${gpu}` : 'there is no NVIDIA GPU',
    missingBytes: fetched.reduce((sum, bytes) => sum + bytes, 0),
    diskBytes: diskBytes[build],
  };
}

export interface Telling {
  /** What begins now. */
  phase(text: string): void;
  bytes(count: number): void;
}

export async function carryOutTensorflow(plan: TensorflowPlan, tell: Telling): Promise<void> {
  const begun = begunFolder(plan.folder);
  try {
    mkdirSync(join(begun, 'wheels'), { recursive: true });
    const attempt = await tryLock(join(begun, 'install.lock'));
    if (!attempt.held) {
      throw new RunsError('install-failed', 'Another Holdfast is setting TensorFlow up right now', { file: begun });
    }
    try {
      refuseWithoutRoom(plan);
      tell.phase(`npm: ${npmWords.join(' ')}`);
      writeFileSync(join(begun, 'package.json'), '{ "private": true }\n');
      const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', ...npmWords];
      await runInstaller(plan.npm, args, begun);
      for (const wheel of plan.wheels) await unpackWheel(plan, wheel, tell);
      tell.phase(`Building the binding with ${plan.compiler}`);
      await buildBinding(begun, plan.compiler);
      const { version, gpu } = await lookAtTensorflow(begun);
      tell.phase(`TensorFlow ${version} computes on ${gpu ? 'a GPU' : 'the CPU'}`);
      await putInPlace(plan);
    } finally {
      attempt.lock.release();
    }
  } catch (error) {
    throw systemCode(error) ? fromSystem(error, begun, 'writing to') : error;
  }
}

const npmWords = Object.entries(npmPackages).map(([name, version]) => `${name}@${version}`);

async function unpackWheel({ folder }: TensorflowPlan, wheel: Wheel, tell: Telling): Promise<void> {
  if (isUnpacked(folder, wheel)) return;
  const archive = archiveOf(folder, wheel);
  tell.phase(wheel.file);
  await download(wheel, archive, count => tell.bytes(count));
  const deps = join(begunFolder(folder), 'node_modules', tensorflowPackage, 'deps');
  const written = await unzip(archive, deps, placeInDeps);
  if (written.length === 0) throw new RunsError('install-failed', `${wheel.file} holds nothing that is needed`);
  writeFileSync(`${archive}.unpacked`, '');
  await rm(archive);
}

/** An older one stays until the new one has proved itself. */
async function putInPlace({ folder, build }: TensorflowPlan): Promise<void> {
  const begun = begunFolder(folder);
  await rm(join(begun, 'wheels'), { recursive: true });
  writeFileSync(join(begun, 'holdfast.json'), `${JSON.stringify({ tensorflow: tensorflowVersion, build })}\n`);
  await removeTensorflow(folder);
  await rename(begun, folder);
  await rm(join(folder, 'install.lock'), { force: true });
}

/** Takes it away as a whole; runs that use it just then keep what they have opened. */
export async function removeTensorflow(folder = tensorflowFolder()): Promise<void> {
  const gone = `${folder}.removed`;
  await rm(gone, { recursive: true, force: true });
  if (existsSync(folder)) await rename(folder, gone);
  await rm(gone, { recursive: true, force: true });
}

export const begunFolder = (folder: string): string => `${folder}.partial`;
const archiveOf = (folder: string, { file }: Wheel): string => join(begunFolder(folder), 'wheels', file);
const isUnpacked = (folder: string, wheel: Wheel): boolean => existsSync(`${archiveOf(folder, wheel)}.unpacked`);

function findNpm(): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), dirname(process.execPath)];
  const found = folders.map(folder => join(folder, 'npm')).find(path => existsSync(path));
  if (found) return found;
  throw new RunsError('install-failed', 'TensorFlow for Node comes from npm, and there is no npm on PATH', {
    remedy: 'Install Node with npm.',
  });
}

function refuseWithoutRoom({ folder, diskBytes: needed }: TensorflowPlan): void {
  const { bavail, bsize } = statfsSync(begunFolder(folder));
  const free = bavail * bsize;
  if (needed <= free) return;
  throw new RunsError('disk-full', `TensorFlow takes ${needed} bytes, ${free} are free`, {
    file: folder,
    remedy: 'Free some space, or name a folder on another disk: HOLDFAST_TENSORFLOW.',
  });
}
