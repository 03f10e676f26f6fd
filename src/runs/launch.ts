/**
 * The one gate through which programs are started: it refuses in a workspace that is not trusted, takes argument
 * arrays and no shell, and hands on no tokens of the environment. Whoever starts a runner only watches it from then on.
 */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, existsSync, openSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from 'execa';
import { childEnvironment } from './childEnvironment.ts';
import { checkEngine } from './engineFolder.ts';
import { runnerMarkerName } from './markedProcesses.ts';
import type { NodeChoice } from './nodePath.ts';
import { fromSystem, RunsError } from './runsError.ts';
import type { Store } from './store.ts';

export interface LaunchRunner {
  store: Store;
  engineFolder: string;
  node: NodeChoice;
  /** The workspace is trusted; a command line always is. */
  trusted: boolean;
  /** More of the runner's environment. */
  env?: Record<string, string>;
  /** Shorter waits, for tests: `--grace-ms 200`. */
  runnerArguments?: string[];
}

/**
 * Starts a runner for the store's queue, detached and with its output in a file: it survives the end of this program
 * and of its group. When another runner holds the queue, the new one sees that and leaves at once.
 */
export async function launchRunner(options: LaunchRunner): Promise<{ pid: number }> {
  const { child } = await spawnRunner(options, 'ignore');
  return { pid: child.pid! };
}

/**
 * The same while what it is to take is still being made, for a program takes its time to start. It looks at the queue once
 * that is made, has failed, or this program is gone.
 */
export async function launchWhile<T>(options: LaunchRunner, make: () => Promise<T>): Promise<T> {
  const runnerArguments = [...(options.runnerArguments ?? []), '--after-input'];
  const { child } = await spawnRunner({ ...options, runnerArguments }, 'pipe');
  child.stdin!.on('error', () => {});
  return make().finally(() => child.stdin!.destroy());
}

async function spawnRunner(options: LaunchRunner, stdin: 'ignore' | 'pipe'): Promise<{ child: ChildProcess }> {
  checkEngine(options.engineFolder);
  await options.store.prepare();
  const log = openLog(options.store.runnerLog) as AnyDescriptor;
  try {
    const program = join(options.engineFolder, 'runner.cjs');
    const args = [program, '--store', options.store.folder, ...(options.runnerArguments ?? [])];
    const { child } = await startProgram(options.node, args, options.trusted, {
      detached: true,
      cwd: options.store.folder,
      env: { ...options.env, [runnerMarkerName]: randomUUID() },
      stdio: [stdin, log, log],
    });
    child.unref();
    return { child };
  } finally {
    closeSync(log);
  }
}

/**
 * Every program of ours is started here. Resolves once it has a pid; throws when it may not or cannot be started. The
 * child comes in an object, because execa's is a promise of its end as well.
 */
export async function startProgram(
  node: NodeChoice,
  args: string[],
  trusted: boolean,
  options: Pick<Options, 'cwd' | 'env' | 'stdio' | 'detached'>,
): Promise<{ child: ChildProcess }> {
  if (!trusted) {
    const remedy = 'Trust the workspace first (command "Workspaces: Manage Workspace Trust").';
    throw new RunsError('not-trusted', 'Nothing is started in a workspace that is not trusted', { remedy });
  }
  const { execa } = await import('execa');
  const env = { ...childEnvironment(), ...options.env, ...node.env };
  const ours = { ...options, env, extendEnv: false, shell: false, windowsHide: true } as const;
  const child = execa(node.path, args, { ...ours, buffer: false, reject: false, cleanup: !options.detached });
  if (child.pid === undefined) throw spawnFailed(node.path, (await child).message ?? 'unknown');
  return { child };
}

/** The types of execa name the descriptors 3 to 9; it takes any. */
type AnyDescriptor = 3;

function spawnFailed(program: string, detail: string): RunsError {
  const remedy = existsSync(program) ? undefined : 'Set holdfast.nodePath to a Node 20 or newer.';
  return new RunsError('spawn-failed', `${program} could not be started: ${detail}`, { file: program, remedy });
}

/** Appended to; begun anew when it has grown long. */
function openLog(file: string): number {
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);
    const descriptor = openSync(file, flags, 0o644);
    if (statSync(file).size > 1024 * 1024) truncateSync(file);
    return descriptor;
  } catch (error) {
    throw fromSystem(error, file, 'opening');
  }
}
