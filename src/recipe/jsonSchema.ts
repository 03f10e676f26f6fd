/**
 * The recipe's schema for others: JSON schema for completion in editors, and the table of keys for the docs. Made from
 * the one zod schema, so neither can disagree with what is checked.
 */
import { z } from 'zod';
import { recipeSchema } from './schema.ts';

export interface JsonSchemaNode {
  $schema?: string;
  $id?: string;
  title?: string;
  description?: string;
  markdownDescription?: string;
  type?: string;
  enum?: (string | number)[];
  const?: string | number;
  default?: unknown;
  examples?: unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minItems?: number;
  properties?: Record<string, JsonSchemaNode>;
  additionalProperties?: JsonSchemaNode | boolean;
  propertyNames?: JsonSchemaNode;
  required?: string[];
  anyOf?: JsonSchemaNode[];
  items?: JsonSchemaNode;
}

export function recipeJsonSchema(): JsonSchemaNode {
  const schema = z.toJSONSchema(recipeSchema, { io: 'input', target: 'draft-7' }) as JsonSchemaNode;
  polish(schema, '');
  return {
    ...schema,
    title: 'Holdfast recipe',
    description: 'An experiment: what to teach a model, and what it must not lose.',
  };
}

function polish(node: JsonSchemaNode, key: string): void {
  if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
  if (node.minimum === -Number.MAX_SAFE_INTEGER) delete node.minimum;
  // A default that is a whole section says nothing that its keys do not say.
  if (typeof node.default === 'object' && node.default !== null && Object.keys(node.default).length === 0)
    delete node.default;
  const help = [node.description, rangeText(node) && `*${rangeText(node)}*`, defaultText(node)]
    .filter(Boolean)
    .join('\n\n');
  if (key && help) node.markdownDescription = `**${key}**: ${help}`;
  for (const [name, child] of Object.entries(node.properties ?? {})) polish(child, key ? `${key}.${name}` : name);
  if (typeof node.additionalProperties === 'object') polish(node.additionalProperties, `${key}.<name>`);
  for (const form of node.anyOf ?? []) polish(form, '');
  if (node.items) polish(node.items, '');
}

const defaultText = ({ default: value }: JsonSchemaNode): string =>
  value === undefined ? '' : `Default: \`${JSON.stringify(value).replaceAll('"', '')}\``;

/** "whole number, 1 to 4096", "one of cosine, linear, constant". */
export function rangeText(node: JsonSchemaNode): string {
  if (node.anyOf) return [...new Set(node.anyOf.map(rangeText))].filter(Boolean).join(', or ');
  if (node.const !== undefined) return String(node.const);
  if (node.enum) return `one of ${node.enum.join(', ')}`;
  switch (node.type) {
    case 'integer':
      return `whole number${bounds(node)}`;
    case 'number':
      return `number${bounds(node)}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'text';
    case 'array':
      return `list of ${node.items ? rangeText(node.items) : 'values'}`;
    case 'object':
      if (typeof node.additionalProperties === 'object') return 'map of names';
      return node.properties ? `{${Object.keys(node.properties).join(', ')}}` : 'section';
    default:
      return '';
  }
}

function bounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchemaNode): string {
  const low =
    exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : minimum !== undefined ? `at least ${minimum}` : '';
  const isOpen = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
  const high = exclusiveMaximum !== undefined ? `below ${exclusiveMaximum}` : isOpen ? '' : `at most ${maximum}`;
  return [low, high]
    .filter(Boolean)
    .map(text => `, ${text}`)
    .join('');
}

/** `docs/recipe.md`: every key with its values, default and help. */
export function recipeReference(): string {
  const schema = recipeJsonSchema();
  const sections = Object.entries(schema.properties ?? {});
  const isSection = ([, node]: [string, JsonSchemaNode]): boolean =>
    node.type === 'object' && node.properties !== undefined;
  const top = sections.filter(entry => !isSection(entry));
  const parts = [
    referenceHead,
    keyTable(
      top.map(([name, node]) => [name, node]),
      schema.required ?? [],
    ),
    ...sections
      .filter(isSection)
      .flatMap(([name, node]) => [
        `## ${name}`,
        node.description ?? '',
        keyTable(flatten(node, ''), node.required ?? []),
      ]),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

const referenceHead = `# Recipe reference

A recipe is a file \`*.tune.yaml\` or \`*.tune.yml\`. Paths are relative to it. Unknown keys are refused, with the nearest known one.
This page is generated from the schema that checks recipes: \`npm run docs:recipe\` writes it.

## At the top`;

function flatten(node: JsonSchemaNode, prefix: string): [string, JsonSchemaNode][] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]): [string, JsonSchemaNode][] => {
    const key = prefix + name;
    const below = flatten(child, `${key}.`);
    const named =
      typeof child.additionalProperties === 'object' ? flatten(child.additionalProperties, `${key}.<name>.`) : [];
    return [[key, child], ...below, ...named];
  });
}

function keyTable(keys: [string, JsonSchemaNode][], required: string[]): string {
  const rows = keys.map(([key, node]) => {
    const value = node.default === undefined ? '' : `\`${JSON.stringify(node.default).replaceAll('"', '')}\``;
    const fallback = required.includes(key) ? 'required' : value;
    return `| \`${key}\` | ${escape(rangeText(node))} | ${escape(fallback)} | ${escape(node.description ?? '')} |`;
  });
  return ['| key | value | default | what it does |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

const escape = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
