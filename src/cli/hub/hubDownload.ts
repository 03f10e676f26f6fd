/**
 * Brings a model's files into the Hugging Face cache, where Python finds them too. What was begun is taken up; a file counts
 * once its digest is right, and the model once all its files do.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { hubFolder } from '../../runs/hubCache.ts';
import { waitForLock } from '../../runs/lock.ts';
import { fromSystem, RunsError, systemCode } from '../../runs/runsError.ts';
import { writeFileSafely } from '../../runs/safeFile.ts';
import type { HubAccess } from './hubAccess.ts';
import { type HubFile, type HubModel, refused } from './hubModel.ts';

export interface DownloadPatience {
  /** A connection that says nothing for so long is begun again. */
  silenceMs: number;
  /** Between two tries; grows with each that brings nothing. */
  pauseMs: number;
}

/** Tries in a row that bring nothing. */
const mostFailures = 5;
const usualPatience: DownloadPatience = { silenceMs: 60_000, pauseMs: 1000 };

/** Bytes of the model that are not here yet. */
export function missingBytes({ name, files }: HubModel): number {
  const here = (file: HubFile) => sizeOf(blobOf(name, file)) ?? sizeOf(incompleteOf(name, file)) ?? 0;
  return files.reduce((sum, file) => sum + Math.max(0, file.bytes - here(file)), 0);
}

/** Resolves to the folder with the model. `onBytes` hears how much arrives; less than nothing when a file is begun again. */
export async function downloadModel(
  model: HubModel,
  access: HubAccess,
  onBytes: (bytes: number) => void,
  patience = usualPatience,
): Promise<string> {
  const folder = hubFolder(model.name);
  try {
    mkdirSync(join(folder, 'blobs'), { recursive: true });
    const lock = await waitForLock(join(folder, 'holdfast.lock'));
    try {
      refuseWithoutRoom(model, folder);
      for (const file of model.files) await new FileDownload(model, file, access, onBytes, patience).finish();
      return await makeSnapshot(model, folder);
    } finally {
      lock.release();
    }
  } catch (error) {
    throw systemCode(error) ? fromSystem(error, folder, 'writing to') : error;
  }
}

class FileDownload {
  readonly #model: HubModel;
  readonly #file: HubFile;
  readonly #access: HubAccess;
  readonly #onBytes: (bytes: number) => void;
  readonly #patience: DownloadPatience;
  readonly #blob: string;
  readonly #incomplete: string;

  constructor(
    model: HubModel,
    file: HubFile,
    access: HubAccess,
    onBytes: (bytes: number) => void,
    patience: DownloadPatience,
  ) {
    this.#model = model;
    this.#file = file;
    this.#access = access;
    this.#onBytes = onBytes;
    this.#patience = patience;
    this.#blob = blobOf(model.name, file);
    this.#incomplete = incompleteOf(model.name, file);
  }

  async finish(): Promise<void> {
    if (sizeOf(this.#blob) === this.#file.bytes) return;
    for (let failures = 0; (sizeOf(this.#incomplete) ?? -1) < this.#file.bytes; ) {
      const before = sizeOf(this.#incomplete) ?? 0;
      try {
        await this.#takeUp(before);
      } catch (error) {
        if (error instanceof RunsError || isOfDisk(error)) throw error;
        failures = (sizeOf(this.#incomplete) ?? 0) > before ? 0 : failures + 1;
        if (failures >= mostFailures) throw this.#broken(error);
        await sleep(this.#patience.pauseMs * failures);
      }
    }
    await this.#check();
    await rename(this.#incomplete, this.#blob);
  }

  async #takeUp(from: number): Promise<void> {
    const { endpoint, token } = this.#access;
    const { name, commit, revision } = this.#model;
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error('it said nothing any more')), this.#patience.silenceMs);
    try {
      const response = await fetch(`${endpoint}/${name}/resolve/${commit}/${this.#file.path}`, {
        headers: { ...(token && { authorization: `Bearer ${token}` }), ...(from > 0 && { range: `bytes=${from}-` }) },
        signal: silence.signal,
      });
      if (response.status >= 500 || response.status === 429) throw new Error(`it answered with ${response.status}`);
      if (!response.ok || !response.body) throw refused(response.status, name, revision, endpoint);
      // A server that knows no ranges sends the file from its beginning.
      const start = response.status === 206 ? from : 0;
      this.#onBytes(start - from);
      const file = createWriteStream(this.#incomplete, { flags: start > 0 ? 'r+' : 'w', start, flush: true });
      await pipeline(
        this.#counted(response.body, start, () => timer.refresh()),
        file,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  async *#counted(body: AsyncIterable<Uint8Array>, start: number, onSign: () => void) {
    let at = start;
    for await (const piece of body) {
      onSign();
      at += piece.length;
      if (at > this.#file.bytes) throw this.#damaged('is longer than the Hub said');
      this.#onBytes(piece.length);
      yield piece;
    }
    if (at < this.#file.bytes) throw new Error(`it ended after ${at} of ${this.#file.bytes} bytes`);
  }

  async #check(): Promise<void> {
    const isGit = this.#file.blob.length === 40;
    const hash = createHash(isGit ? 'sha1' : 'sha256');
    if (isGit) hash.update(`blob ${this.#file.bytes}\0`);
    for await (const piece of createReadStream(this.#incomplete)) hash.update(piece as Buffer);
    if (hash.digest('hex') === this.#file.blob) return;
    await rm(this.#incomplete);
    throw this.#damaged('arrived damaged and was removed');
  }

  #damaged(how: string): RunsError {
    return new RunsError('download-damaged', `${this.#file.path} of ${this.#model.name} ${how}`, {
      file: this.#incomplete,
      remedy: 'Download it again.',
    });
  }

  #broken(error: unknown): RunsError {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    const detail = cause instanceof Error ? cause.message : String(cause);
    return new RunsError('hub-unreachable', `${this.#access.endpoint} broke off ${this.#file.path}: ${detail}`, {
      remedy: 'Give the command again: it goes on where it was.',
      cause: error,
    });
  }
}

/** Links as Python makes them, copies where links are not allowed. The revision is named last. */
async function makeSnapshot({ name, revision, commit, files }: HubModel, folder: string): Promise<string> {
  const snapshot = join(folder, 'snapshots', commit);
  await mkdir(snapshot, { recursive: true });
  for (const file of files) {
    const at = join(snapshot, file.path);
    if (existsSync(at)) continue;
    await rm(at, { force: true });
    await symlink(join('..', '..', 'blobs', file.blob), at).catch(error => {
      if (systemCode(error) !== 'EPERM') throw error;
      return copyFile(blobOf(name, file), at);
    });
  }
  const ref = join(folder, 'refs', ...revision.split('/').filter(part => part !== '..' && part !== '.'));
  if (revision !== commit) {
    await mkdir(dirname(ref), { recursive: true });
    await writeFileSafely(ref, commit);
  }
  return snapshot;
}

function refuseWithoutRoom(model: HubModel, folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const [needed, free] = [missingBytes(model), bavail * bsize];
  if (needed <= free) return;
  throw new RunsError('disk-full', `${needed} bytes are to come, ${free} are free where the cache is`, {
    file: folder,
    remedy: 'Free some space, or set HF_HOME to a folder on another disk.',
  });
}

const blobOf = (name: string, { blob }: HubFile): string => join(hubFolder(name), 'blobs', blob);
const incompleteOf = (name: string, file: HubFile): string => `${blobOf(name, file)}.incomplete`;
const sizeOf = (file: string): number | undefined => statSync(file, { throwIfNoEntry: false })?.size;
const isOfDisk = (error: unknown): boolean => /^(ENOSPC|EDQUOT|EACCES|EPERM|EROFS|EIO)$/.test(systemCode(error));
