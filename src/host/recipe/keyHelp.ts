/** What the recipe schema says of one key: help, range, default, values, keys below. Knows no editor. */
import * as z from 'zod';
import { recipeSchema } from '../../recipe/schema.ts';
import { withSweepKeys } from '../../recipe/sweepSchema.ts';

/** The part of a JSON schema that help is made of. */
export interface KeySchema {
  description?: string;
  type?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  properties?: Record<string, KeySchema>;
  additionalProperties?: KeySchema | boolean;
  required?: string[];
  anyOf?: KeySchema[];
  items?: KeySchema;
}

let schema: KeySchema | undefined;

/** The schema of a key, `['train', 'learning_rate']`; the whole recipe's for an empty path. */
export function keySchemaAt(path: readonly string[]): KeySchema | undefined {
  schema ??= withSweepKeys(z.toJSONSchema(recipeSchema, { io: 'input' }) as KeySchema);
  let at: KeySchema | undefined = schema;
  for (const key of path) at = at && below(at, key);
  return at;
}

export interface ChildKey {
  name: string;
  schema: KeySchema;
  isRequired: boolean;
}

export function childKeys(node: KeySchema): ChildKey[] {
  return forms(node).flatMap(form =>
    Object.entries(form.properties ?? {}).map(([name, child]) => ({
      name,
      schema: child,
      isRequired: form.required?.includes(name) ?? false,
    })),
  );
}

export function allowedValues(node: KeySchema): string[] {
  const values = forms(node).flatMap(form => {
    if (form.type === 'boolean') return ['true', 'false'];
    const listed = form.type === 'array' ? form.items : form;
    return [...(listed?.enum ?? []), ...(listed?.const === undefined ? [] : [listed.const])].map(String);
  });
  return [...new Set(values)];
}

/** A map or a list of maps: what follows its key stands on lines of its own. */
export function isSection(node: KeySchema): boolean {
  return forms(node).every(form => form.type === 'object');
}

/** "number, above 0, at most 1024", told in the symbols of arithmetic, which need no translation. */
export function rangeOf(node: KeySchema): string {
  return forms(node)
    .map(form => {
      const unbounded = Number.MAX_SAFE_INTEGER;
      const bounds = [
        form.exclusiveMinimum === undefined ? '' : `> ${form.exclusiveMinimum}`,
        form.minimum === undefined || form.minimum === -unbounded ? '' : `≥ ${form.minimum}`,
        form.exclusiveMaximum === undefined ? '' : `< ${form.exclusiveMaximum}`,
        form.maximum === undefined || form.maximum === unbounded ? '' : `≤ ${form.maximum}`,
      ].filter(Boolean);
      const values = allowedValues(form);
      const kind = values.length > 0 ? values.map(value => `\`${value}\``).join(' | ') : (form.type ?? '');
      return [kind, ...bounds].join(', ');
    })
    .filter((text, index, all) => text && all.indexOf(text) === index)
    .join(' | ');
}

function below(node: KeySchema, key: string): KeySchema | undefined {
  for (const form of forms(node)) {
    const child = form.properties?.[key];
    if (child) return child;
    if (typeof form.additionalProperties === 'object') return form.additionalProperties;
    if (form.items) return below(form.items, key);
  }
  return undefined;
}

function forms(node: KeySchema): KeySchema[] {
  return node.anyOf ?? [node];
}
