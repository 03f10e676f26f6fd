/** Names of runs: `<yymmdd-hhmmss>-<recipe>-<4 random>`, in local time, sorted by when they were made. */
import { randomInt } from 'node:crypto';

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

export function newRunId(recipe: string, at: Date): string {
  const two = (value: number) => String(value % 100).padStart(2, '0');
  const day = [at.getFullYear(), at.getMonth() + 1, at.getDate()].map(two).join('');
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join('');
  const name =
    recipe
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 40) || 'run';
  const random = Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('');
  return `${day}-${time}-${name}-${random}`;
}

let lastTime = 0;

/** Milliseconds since 1970, never the same twice in one process: the queue keeps the order of creation. */
export function nextCreationTime(): number {
  lastTime = Math.max(Date.now(), lastTime + 1);
  return lastTime;
}
