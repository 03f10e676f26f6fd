/** What may stand under `sweep`, for completion and help: each key of the recipe by its path, with a list of its values. */

interface SchemaNode {
  description?: string;
  type?: string;
  properties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  items?: SchemaNode;
  minItems?: number;
}

/** Sections too: one may be swept whole, or taken away by null. */
const noSettings = new Set(['sweep', 'stop_if', 'name']);

export function withSweepKeys<S extends SchemaNode>(schema: S): S {
  const sweep = schema.properties?.sweep;
  if (!sweep) return schema;
  const keys: Record<string, SchemaNode> = {};
  const walk = (node: SchemaNode, prefix: string): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      const key = prefix + name;
      if (noSettings.has(key)) continue;
      keys[key] = { description: child.description, type: 'array', minItems: 1, items: child };
      walk(child, `${key}.`);
    }
  };
  walk(schema, '');
  return { ...schema, properties: { ...schema.properties, sweep: { ...sweep, properties: keys } } };
}
