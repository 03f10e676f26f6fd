/**
 * Makes the environment of the torch engine: ~/.holdfast/torch, by uv where it is on PATH, else by Python's own venv and
 * pip. An installation that was broken off goes on where it was.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { startProgram } from './launch.ts';
import {
  isOlder,
  lookAtPython,
  neededPackages,
  neededPython,
  ownEnvironment,
  ownPython,
  pythonsOnPath,
} from './pythonPath.ts';
import { RunsError } from './runsError.ts';

export interface InstallPlan {
  folder: string;
  packages: string[];
  /** Words and arguments of each program, in order. */
  commands: string[][];
  /** What it takes on the disk, in words. */
  size: string;
}

/** Measured with the newest versions; on Linux the wheel carries CUDA. */
const sizes: Partial<Record<NodeJS.Platform, string>> = { linux: 'about 6 GB' };
const otherSize = 'about 1.5 GB';

/** Looks for what makes it; nothing is written. */
export async function planInstall(setting?: string): Promise<InstallPlan> {
  const [folder, own] = [ownEnvironment(), ownPython()];
  const packages = Object.entries(neededPackages).map(([name, oldest]) => `${name}>=${oldest}`);
  const size = sizes[process.platform] ?? otherSize;
  const isThere = existsSync(own) && (await lookAtPython(own)) !== null;
  const uv = programOnPath('uv');
  const base = isThere ? own : await basePython(setting);
  const make = uv ? [uv, 'venv', '--python', base, folder] : [base, '-m', 'venv', folder];
  const install = uv
    ? [uv, 'pip', 'install', '--python', own, ...packages]
    : [own, '-m', 'pip', 'install', '--disable-pip-version-check', ...packages];
  return { folder, packages, commands: isThere ? [install] : [make, install], size };
}

export async function carryOut({ commands, folder }: InstallPlan): Promise<void> {
  for (const [program, ...args] of commands) await runInstaller(program!, args, undefined, {}, folder);
}

/** As one would type it: a shell reads > and blanks otherwise, unless they stand in quotes. */
export const typed = (words: string[]): string =>
  words.map(word => (/^[\w./\\:=@+,~-]+$/.test(word) ? word : `"${word}"`)).join(' ');

/** Its output goes to stderr as it comes: its own progress. */
export async function runInstaller(
  path: string,
  args: string[],
  cwd: string | undefined,
  more: Record<string, string> = {},
  folder = cwd,
): Promise<void> {
  const tool = { path, env: { ...installEnvironment(), ...more }, reason: '' };
  const { child } = await startProgram(tool, args, true, { cwd, stdio: ['ignore', 2, 2] });
  const code = await new Promise<number | null>(resolve => child.once('exit', resolve));
  if (code === 0) return;
  throw new RunsError('install-failed', `${typed([path, ...args])} ended with ${code ?? 'a signal'}`, {
    file: folder,
    remedy: 'Run the same command again: what is there already is not fetched again.',
  });
}

async function basePython(setting: string | undefined): Promise<string> {
  const candidates = setting ? [setting] : pythonsOnPath();
  for (const path of candidates) {
    const look = await lookAtPython(path);
    if (look && !isOlder(look.version, neededPython)) return path;
  }
  const where = setting ? `${setting} is none` : 'there is none on PATH';
  throw new RunsError('python-missing', `Python ${neededPython} or newer is needed, and ${where}`, {
    file: setting,
    remedy: 'Install Python from python.org or your package manager, then run the command again.',
  });
}

function programOnPath(name: string): string | undefined {
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.map(folder => join(folder, file)).find(path => existsSync(path));
}

/** Where packages come from is the user's own choice. */
export function installEnvironment(): Record<string, string> {
  const theirs =
    /^(PIP_\w+|UV_\w+|NPM_CONFIG_\w+|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS)$/i;
  const entries = Object.entries(process.env).filter(([name, value]) => value !== undefined && theirs.test(name));
  return Object.fromEntries(entries) as Record<string, string>;
}
