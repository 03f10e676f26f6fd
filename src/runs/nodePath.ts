/**
 * Which Node runs runner and trainer: the one that is set, else this very program's, else one on PATH, else the
 * editor's own. Says why.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { RunsError } from './runsError.ts';

const run = promisify(execFile);
const oldest = 20;

export interface NodeChoice {
  path: string;
  /** Goes into the child's environment. */
  env: Record<string, string>;
  reason: string;
}

/** `setting` is holdfast.nodePath, of machine scope. */
export async function chooseNode(setting?: string): Promise<NodeChoice> {
  if (setting) return chosenBySetting(setting);
  if (!process.versions.electron && majorOf(process.versions.node) >= oldest && !isEditorServer(process.execPath)) {
    return { path: process.execPath, env: {}, reason: `the Node that runs this program (${process.versions.node})` };
  }
  const onPath = await firstOnPath();
  if (onPath) return { path: onPath.path, env: {}, reason: `Node ${onPath.version} on PATH` };
  const reason = `the editor's own Node (${process.versions.node}), since PATH has no Node ${oldest} or newer`;
  return { path: process.execPath, env: process.versions.electron ? { ELECTRON_RUN_AS_NODE: '1' } : {}, reason };
}

async function chosenBySetting(path: string): Promise<NodeChoice> {
  const version = await versionOf(path);
  if (version && majorOf(version) >= oldest) return { path, env: {}, reason: `holdfast.nodePath (${version})` };
  const found = version ? `is version ${version}` : 'does not run';
  throw new RunsError('node-unusable', `holdfast.nodePath: ${path} ${found}; Node ${oldest} or newer is needed`, {
    file: path,
    remedy: 'Correct the setting, or clear it to let Holdfast choose.',
  });
}

async function firstOnPath(): Promise<{ path: string; version: string } | null> {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder === '' || !existsSync(path) || isEditorServer(path)) continue;
    const version = await versionOf(path);
    if (version && majorOf(version) >= oldest) return { path, version };
  }
  return null;
}

/** Its clean-up kills every process whose command line names it. */
function isEditorServer(path: string): boolean {
  return /[\\/]\.?(vscode|cursor|windsurf|vscodium)[\w-]*-server[\\/]/.test(path);
}

async function versionOf(path: string): Promise<string | null> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000, windowsHide: true });
    return /^v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? null;
  } catch {
    return null;
  }
}

const majorOf = (version: string): number => Number(version.split('.')[0]);
