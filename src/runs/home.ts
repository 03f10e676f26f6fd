/** Where Holdfast keeps what belongs to the user and not to a project: engines, caches, the key that seals requests. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export function holdfastHome(): string {
  return process.env.HOLDFAST_HOME ? resolve(process.env.HOLDFAST_HOME) : join(homedir(), '.holdfast');
}
