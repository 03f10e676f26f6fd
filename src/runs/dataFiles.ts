/**
 * Data that are several files: a folder, or a pattern in a folder (`data/*.jsonl`). Their files in an order that is the
 * same on every machine. Links are refused, so that nothing leads out of the folder. Knows nothing of what is in them.
 */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { RunsError } from './runsError.ts';

const readable = /\.(jsonl|ndjson|json|csv|tsv|parquet|txt)$/i;
const mostFiles = 10_000;

/** `*` and `?` count in the last part of a path alone. */
export const isPattern = (path: string): boolean => /[*?]/.test(basename(path));

/** A pattern stands for its folder when one looks where data lie. */
export const folderOfData = (path: string): string => (isPattern(path) ? dirname(path) : path);

/** The files that a path stands for: itself, those of the folder, or those that the pattern fits. */
export function dataFiles(path: string): string[] {
  const folder = folderOfData(path);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const fits = isPattern(path) ? patternOf(basename(path)) : readable;
  const entries = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => fits.test(name) && name[0] !== '.');
  const link = entries.find(entry => entry.isSymbolicLink());
  if (link) {
    const file = join(folder, link.name);
    throw new RunsError('outside-roots', `${file} is a link; data that are several files are read from files alone`, {
      file,
      remedy: 'Put the file itself there, or name the files one by one.',
    });
  }
  const names = entries.filter(entry => entry.isFile()).map(({ name }) => name);
  if (names.length > 0 && names.length <= mostFiles) return names.sort(byCode).map(name => join(folder, name));
  const what = names.length === 0 ? 'stands for no file' : `stands for ${names.length} files, ${mostFiles} at most`;
  const remedy = 'Data are .jsonl, .json, .csv, .tsv, .parquet or .txt; folders within the folder are not looked into.';
  throw new RunsError('data-empty', `${path} ${what}`, { file: folder, remedy });
}

/** Of file names, so that the order does not depend on a language. */
const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function patternOf(written: string): RegExp {
  const escaped = written.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}
