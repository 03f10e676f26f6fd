/** Where the Hugging Face cache is, and which of its models are whole. The layout is that of Python's huggingface_hub. */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const hubNamePattern = /^(?!\.)[\w.-]+\/(?!\.)[\w.-]+$/;

export function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
}

export function hubCache(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(hubHome(), 'hub');
}

/** `blobs`, `refs` and `snapshots` of a model lie here. */
export const hubFolder = (name: string): string => join(hubCache(), `models--${name.replace('/', '--')}`);

/** `models--org--name/snapshots/<commit>`, the commit as `refs/main` names it or the only one there is. */
export function hubSnapshot(name: string): string | null {
  const folder = hubFolder(name);
  const snapshots = join(folder, 'snapshots');
  const head = readText(join(folder, 'refs', 'main'));
  const names = head ? [head] : listFolders(snapshots);
  const [commit] = names;
  if (names.length !== 1 || !commit || !/^[0-9a-f]{6,64}$/.test(commit)) return null;
  return isFolder(join(snapshots, commit)) ? realpathSync(join(snapshots, commit)) : null;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function readText(file: string): string | null {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() && stat.size <= 256 ? readFileSync(file, 'utf8').trim() : null;
}

function listFolders(folder: string): string[] {
  return isFolder(folder) ? readdirSync(folder) : [];
}
