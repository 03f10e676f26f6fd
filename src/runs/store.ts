/**
 * Where runs live. One function finds the store for command line and editor: the nearest `.holdfast` above the recipe,
 * else in its git root, else in its folder. Knows nothing of what a run folder holds.
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { holdfastHome } from './home.ts';
import { RunFolder } from './runFolder.ts';
import { fromSystem, RunsError, systemCode } from './runsError.ts';
import { makeFolder } from './wholeFile.ts';

/** Names of devices are no folders on Windows. */
const runIdPattern = /^(?!(con|nul|prn|aux|com\d|lpt\d)$)[a-z0-9-]{1,64}$/;

export const isRunId = (name: string): boolean => runIdPattern.test(name);

export interface StoreOptions {
  /** The setting holdfast.runsFolder: runs lie there, in a folder of the project, instead of in `.holdfast`. */
  runsFolder?: string;
}

export class Store {
  /** The project: recipe paths may point anywhere below. */
  readonly root: string;
  /** Holds `runs`, the index and the locks. */
  readonly folder: string;

  constructor(root: string, folder: string) {
    this.root = root;
    this.folder = folder;
  }

  get runsFolder(): string {
    return join(this.folder, 'runs');
  }

  /** Held by the one runner that takes this store's queue in turn. */
  get runnerLock(): string {
    return join(this.folder, 'runner.lock');
  }

  /** In which order waiting runs are taken; `queue.ts` reads and changes it. */
  get queueFile(): string {
    return join(this.folder, 'queue.json');
  }

  get queueLock(): string {
    return join(this.folder, 'queue.lock');
  }

  get runnerLog(): string {
    return join(this.folder, 'runner.log');
  }

  /** Newest first. Names that are no run ids, files and links are passed over. */
  async runIds(): Promise<string[]> {
    try {
      if (lstatSync(this.runsFolder).isSymbolicLink()) return [];
      const entries = await readdir(this.runsFolder, { withFileTypes: true });
      const ids = entries.filter(entry => entry.isDirectory() && isRunId(entry.name)).map(entry => entry.name);
      return ids.sort().reverse();
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw fromSystem(error, this.runsFolder, 'reading');
    }
  }

  run(id: string): RunFolder {
    if (!isRunId(id)) throw new RunsError('unknown-run', `"${id.slice(0, 80)}" is no run id`);
    return new RunFolder(id, join(this.runsFolder, id));
  }

  /**
   * Something inside a run's folder is another: whoever looks at the list sees that the folder of runs is newer. A list
   * that is looked at a second later is no reason to fail.
   */
  async announce(): Promise<void> {
    // Below the millisecond, so that two in one tick differ.
    const now = Date.now() / 1000 + Math.random() / 1000;
    await utimes(this.runsFolder, now, now).catch(() => {});
  }

  /** Makes the folder before the first run; git is told to look away. */
  async prepare(): Promise<void> {
    refuseLink(this.folder);
    try {
      // One after the other: a recursive mkdir tells a read-only disk as a missing folder.
      await mkdir(dirname(this.folder), { recursive: true });
      await makeFolder(this.folder);
      await makeFolder(this.runsFolder);
      const ignore = join(this.folder, '.gitignore');
      if (!existsSync(ignore)) await writeFile(ignore, '*\n', { flag: 'wx' }).catch(ignoreExisting);
    } catch (error) {
      throw fromSystem(error, this.folder, 'making');
    }
    refuseLink(this.runsFolder);
  }
}

/** Never makes or changes anything. */
export function findStore(recipeFile: string, options: StoreOptions = {}): Store {
  return storeOf(dirname(resolve(recipeFile)), options);
}

/** The store seen from a folder: for commands that name no recipe. */
export function storeOf(folder: string, options: StoreOptions = {}): Store {
  const root = projectRoot(resolve(folder));
  if (!options.runsFolder) return new Store(root, join(root, '.holdfast'));
  const digest = createHash('sha256').update(root).digest('hex').slice(0, 8);
  return new Store(root, join(resolve(options.runsFolder), `${basename(root) || 'root'}-${digest}`));
}

function projectRoot(folder: string): string {
  // The user's own ~/.holdfast holds engines; it makes no project of the home folder.
  const isStore = (at: string) => join(at, '.holdfast') !== holdfastHome() && isFolder(join(at, '.holdfast'));
  return nearest(folder, isStore) ?? nearest(folder, at => existsSync(join(at, '.git'))) ?? folder;
}

function nearest(folder: string, matches: (folder: string) => boolean): string | null {
  for (let at = folder; ; at = dirname(at)) {
    if (matches(at)) return at;
    if (at === dirname(at)) return null;
  }
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function refuseLink(folder: string): void {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  const remedy = 'Remove the link. To keep runs elsewhere, set holdfast.runsFolder.';
  throw new RunsError('store-is-link', `${folder} is a link; a store is never followed out of its project`, {
    file: folder,
    remedy,
  });
}

function ignoreExisting(error: unknown): void {
  if (systemCode(error) !== 'EEXIST') throw error;
}
