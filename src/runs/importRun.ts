/**
 * Takes a run folder that was copied from elsewhere into a store: to be looked at and compared, never to be started. All
 * of it may be forged. Only names and kinds of files that a run has are taken, each as a plain file; what speaks of
 * processes or asks for something stays behind; the seal is broken.
 */
import { randomBytes } from 'node:crypto';
import { createWriteStream, lstatSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { newestAttempt } from './attempts.ts';
import { type RunExit, RunFolder, type RunRequest, runFormat } from './runFolder.ts';
import { emptyOutcome, OutcomeReader } from './runOutcome.ts';
import { fromSystem, RunsError } from './runsError.ts';
import { openChecked, syncFolder, writeJsonSafely } from './safeFile.ts';
import type { Store } from './store.ts';
import { isInTrash } from './trash.ts';

export interface ImportedRun {
  run: RunFolder;
  /** Names that were not taken, each with why. */
  leftOut: string[];
}

const files = ['journal.ndjson', 'trainer.log', 'user.json', 'notes.md'];
const folders = ['checkpoints', 'items', 'samples', 'model'];
/**
 * What says who runs it or asks for something: of another machine, or forged; what a run has only while it lives; what is
 * written anew. Stays behind without a word.
 */
const ofProcesses = [
  'process.json',
  'heartbeat',
  'control.ndjson',
  'resume.json',
  'runner.log',
  'reserve',
  'room',
  'prepared',
  'run.json',
  'exit.json',
];
/** No pickles, no programs. */
const kinds = ['.json', '.ndjson', '.jsonl', '.safetensors', '.md', '.txt', '.log', '.jinja'];
const mostFiles = 5000;
const deepest = 3;
/** What every file system takes, and no name that hides. */
const safeName = /^[\p{L}\p{N}_][\p{L}\p{N}_ .,=+@#()-]{0,127}$/u;

export async function importRun(store: Store, given: string): Promise<ImportedRun> {
  const from = new RunFolder('imported', resolve(given));
  const request = await readRequest(from);
  const exit = await exitOf(from);
  await store.prepare();
  const run = store.run(request.id);
  if (lstatSync(run.folder, { throwIfNoEntry: false })) throw exists(run.id, 'is in this project already');
  if (isInTrash(store, run.id))
    throw exists(run.id, `is in the trash: bring it back with holdfast rm --undo ${run.id}`);
  const temporary = join(store.runsFolder, `.import-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(temporary);
    const copy = new Copy();
    await copy.topLevel(from.folder, temporary);
    await writeJsonSafely(join(temporary, 'run.json'), { ...request, seal: 'imported' });
    await writeJsonSafely(join(temporary, 'exit.json'), exit);
    await rename(temporary, run.folder);
    await syncFolder(store.runsFolder);
    return { run, leftOut: copy.leftOut };
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw fromSystem(error, from.folder, 'importing');
  }
}

const exists = (id: string, what: string): RunsError => new RunsError('run-exists', `The run ${id} ${what}`);

async function readRequest(from: RunFolder): Promise<RunRequest> {
  const remedy = 'Name the folder of one run: the one that holds run.json.';
  if (!lstatSync(from.folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new RunsError('not-a-run', `${from.folder} is no folder`, { file: from.folder, remedy });
  }
  const request = await from.request();
  if (!request) throw new RunsError('not-a-run', `${from.folder} holds no run.json`, { file: from.folder, remedy });
  if (request.v <= runFormat) return request;
  const message = `A newer Holdfast (run format ${request.v}) wrote ${from.runJson}`;
  throw new RunsError('newer-format', message, { file: from.runJson, remedy: 'Update Holdfast.' });
}

/** How its newest attempt ended, as it says. One without a word is lost, whatever it does elsewhere: nobody runs this copy. */
async function exitOf(from: RunFolder): Promise<RunExit> {
  const [exit, process] = await Promise.all([from.exit().catch(() => null), from.process().catch(() => null)]);
  const attempt = newestAttempt(process, exit);
  if (exit?.attempt === attempt) return exit;
  const { step: lastStep } = await new OutcomeReader().read(from).catch(emptyOutcome);
  const hasBegun = process !== null || lstatSync(from.journalFile, { throwIfNoEntry: false }) !== undefined;
  const [outcome, reason] = hasBegun
    ? (['lost', 'this copy has no exit record: it was copied while it ran, or its runner had been killed'] as const)
    : (['stopped', 'copied before it started'] as const);
  return { v: runFormat, attempt, outcome, code: null, signal: null, stderr: [], reason, lastStep, t: Date.now() };
}

/** One import's walk: plain files of known kinds, counted. */
class Copy {
  readonly leftOut: string[] = [];
  #files = 0;

  async topLevel(from: string, to: string): Promise<void> {
    for (const entry of await entriesOf(from)) {
      const { name } = entry;
      if (ofProcesses.includes(name) || name.endsWith('.tmp')) continue;
      if (files.includes(name) && entry.isFile()) await this.#file(join(from, name), join(to, name), name);
      else if (folders.includes(name) && entry.isDirectory()) await this.#folder(from, to, name, 1);
      else this.#leave(name, entry.isSymbolicLink() ? 'a link' : 'no part of a run');
    }
  }

  async #folder(from: string, to: string, path: string, depth: number): Promise<void> {
    await mkdir(join(to, path));
    for (const entry of await entriesOf(join(from, path))) {
      const at = join(path, entry.name);
      if (entry.isSymbolicLink()) this.#leave(at, 'a link');
      else if (!safeName.test(entry.name)) this.#leave(at, 'a name that a run does not use');
      else if (entry.isDirectory() && depth < deepest) await this.#folder(from, to, at, depth + 1);
      else if (entry.isFile() && kinds.includes(extname(entry.name).toLowerCase())) {
        await this.#file(join(from, at), join(to, at), at);
      } else this.#leave(at, 'a kind of file that is never read');
    }
    await syncFolder(join(to, path));
  }

  async #file(from: string, to: string, path: string): Promise<void> {
    if (++this.#files > mostFiles) {
      throw new RunsError('not-a-run', `It has more than ${mostFiles} files; no run has`, { file: from });
    }
    // Opened without following links: between the listing and now the name may have become one.
    const handle = await openChecked(from);
    if (!handle) return this.#leave(path, 'gone meanwhile');
    await pipeline(handle.createReadStream(), createWriteStream(to, { flags: 'wx', flush: true }));
  }

  #leave(path: string, why: string): void {
    if (this.leftOut.length < 100) this.leftOut.push(`${printable(path)}: ${why}`);
  }
}

const entriesOf = (folder: string) =>
  readdir(folder, { withFileTypes: true }).catch(error => {
    throw fromSystem(error, folder, 'reading');
  });

const printable = (path: string): string => path.replace(/\p{C}/gu, '?').slice(0, 200);
