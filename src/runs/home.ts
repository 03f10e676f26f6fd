/** Where Holdfast keeps what belongs to the user and not to a project: engines, caches, the key that seals requests. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export function holdfastHome(): string {
  return process.env.HOLDFAST_HOME ? resolve(process.env.HOLDFAST_HOME) : join(homedir(), '.holdfast');
}

/** The cache is the user's, never the project's: a repository could bring forged base scores. */
export const sharedCache = (): string => join(holdfastHome(), 'cache');
