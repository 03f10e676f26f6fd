/**
 * The programs that outlive an editor: runner, trainer, command line, binaries, models and examples, copied once to a
 * folder that no update of the extension deletes and no clean-up of a server takes for its own.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { holdfastHome } from './home.ts';
import { fromSystem, RunsError, systemCode } from './runsError.ts';

const programs = ['runner.cjs', 'trainer.cjs', 'command.cjs', 'cli.cjs'];
/** Python beside the bundles. */
const pythonFolders = ['torch_engine', 'callback'];

/**
 * Copies an extension or package folder (with `dist`, `models`, `examples`, `node_modules`) to
 * ~/.holdfast/engines/<version>-<digest of its programs>. Does nothing when that is already there.
 */
export async function installEngine(packageFolder: string): Promise<string> {
  const dist = join(packageFolder, 'dist');
  const version = engineVersion(packageFolder);
  const folder = join(holdfastHome(), 'engines', `${version}-${digestOf(dist)}`);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.${process.pid}-${randomBytes(3).toString('hex')}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    await copyInto(packageFolder, temporary);
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    // Another window was quicker.
    if (['EEXIST', 'ENOTEMPTY', 'EPERM'].includes(systemCode(error)) && existsSync(folder)) return folder;
    throw fromSystem(error, folder, 'copying the engine to');
  }
  return folder;
}

/** The version in the package's manifest, seen from the package or from its engine folder. */
export function engineVersion(folder: string): string {
  for (const manifest of [join(folder, 'package.json'), join(folder, '..', 'package.json')]) {
    if (!existsSync(manifest)) continue;
    const { name, version } = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string; version?: string };
    if (name === 'holdfast' && version) return version;
  }
  return 'unknown';
}

/** Is everything there that a run needs? Says what is missing. */
export function checkEngine(folder: string): void {
  const missing = programs.filter(program => !existsSync(join(folder, program)));
  if (missing.length === 0) return;
  throw new RunsError('engine-incomplete', `The engine folder ${folder} lacks ${missing.join(', ')}`, {
    file: folder,
    remedy: 'In a checkout run: npm run build. Otherwise install Holdfast again.',
  });
}

function digestOf(dist: string): string {
  const digest = createHash('sha256');
  for (const program of [...programs, ...pythonFiles(dist)]) {
    try {
      digest.update(readFileSync(join(dist, program)));
    } catch (error) {
      throw fromSystem(error, join(dist, program), 'reading');
    }
  }
  return digest.digest('hex').slice(0, 8);
}

function pythonFiles(dist: string): string[] {
  return pythonFolders
    .filter(folder => existsSync(join(dist, folder)))
    .flatMap(folder => readdirSync(join(dist, folder), { recursive: true }).map(name => join(folder, String(name))))
    .filter(name => name.endsWith('.py'))
    .sort();
}

async function copyInto(from: string, to: string): Promise<void> {
  const dist = join(from, 'dist');
  for (const program of [...programs, ...pythonFiles(dist)]) await cp(join(dist, program), join(to, program));
  await cp(join(from, 'package.json'), join(to, 'package.json'));
  for (const folder of ['models', 'examples']) {
    if (existsSync(join(from, folder))) await cp(join(from, folder), join(to, folder), { recursive: true });
  }
  for (const name of ['onnxruntime-node', 'onnxruntime-common']) {
    const source = join(from, 'node_modules', name);
    if (!existsSync(source)) continue;
    const target = join(to, 'node_modules', name);
    await cp(source, target, { recursive: true, dereference: true, filter: path => isForThisMachine(path, source) });
  }
}

/** The binaries of other platforms stay behind: 46 MB instead of 288. */
function isForThisMachine(path: string, source: string): boolean {
  const [bin, api, platform, architecture] = path.slice(source.length + 1).split(sep);
  if (bin !== 'bin' || !api || !platform) return true;
  if (platform !== process.platform) return false;
  return !architecture || architecture === process.arch;
}
