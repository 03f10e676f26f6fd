/** Sets keys of a recipe's plain value by their dotted paths. Checks nothing but that there is a place for them. */
import { isRecord } from './schemaComplaints.ts';

/** `null` and nothing remove the key. Gives the key above that holds no keys, where there is one. */
export function setKey(recipe: Record<string, unknown>, key: string, value: unknown): string | null {
  const parts = key.split('.');
  let section = recipe;
  for (const [place, part] of parts.slice(0, -1).entries()) {
    section[part] ??= {};
    const next = section[part];
    if (!isRecord(next)) return parts.slice(0, place + 1).join('.');
    section = next;
  }
  const last = parts.at(-1)!;
  if (value === null || value === undefined) delete section[last];
  else section[last] = value;
  return null;
}

/** Can it stand in a key path at all? */
export const isKeyPath = (key: string): boolean =>
  key.split('.').every(part => /^[\w-]+$/.test(part) && part !== '__proto__');
