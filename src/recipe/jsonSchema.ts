/**
 * The recipe's schema for others: JSON schema for completion in editors, and the table of keys for the docs. Made from
 * the one zod schema, so neither can disagree with what is checked.
 */
import * as z from 'zod';
import { autoSet } from './autoSet.ts';
import { recipeSchema } from './schema.ts';
import { withSweepKeys } from './sweepSchema.ts';

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
  return withShortForms(withSweepKeys(schemaOfKeys()));
}

/** A word that may stand for a whole section. */
function withShortForms(schema: JsonSchemaNode): JsonSchemaNode {
  const { retain, ...others } = schema.properties!;
  const { description, markdownDescription } = retain!;
  const auto = { type: 'string', const: autoSet, description: retain!.properties!.auto!.description };
  return { ...schema, properties: { ...others, retain: { description, markdownDescription, anyOf: [auto, retain!] } } };
}

function schemaOfKeys(): JsonSchemaNode {
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
  value === undefined ? '' : `Default: \`${plainJson(value)}\``;

/** "whole number, 1 to 4096", "one of cosine, linear, constant". */
function rangeText(node: JsonSchemaNode): string {
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

const plainJson = (value: unknown): string => JSON.stringify(value).replaceAll('"', '').replaceAll(',', ', ');

/** `docs/recipe.md`: every key with its values, default and help. */
export function recipeReference(): string {
  const schema = schemaOfKeys();
  const rows = flatten(schema, '');
  const sections = Object.entries(schema.properties ?? {}).filter(([, node]) => node.properties);
  const isTop = ({ key }: Row): boolean => !sections.some(([name]) => key === name || key.startsWith(`${name}.`));
  const parts = [
    referenceHead,
    keyTable(rows.filter(isTop)),
    ...sections.flatMap(([name, node]) => [
      `## ${name}`,
      node.description ?? '',
      keyTable(rows.filter(({ key }) => key.startsWith(`${name}.`))),
    ]),
    variantsText,
  ];
  return `${parts.join('\n\n')}\n`;
}

const referenceHead = `# Recipe reference

A recipe is a file \`*.tune.yaml\` or \`*.tune.yml\`. Paths are relative to it. Unknown keys are refused, with the nearest known one.
This page is generated from the schema that checks recipes: \`npm run docs:recipe\` writes it.

\`\`\`yaml
name: support-tone
model: holdfast-tiny
data:
  train: data/support.jsonl
  eval: data/support.eval.jsonl
retain:
  probes:
    general: { file: data/general.txt, budget: { nats: 0.05 } }
    arithmetic: { file: data/arithmetic.jsonl, budget: { points: 2 } }
  prompts: ["Where does Mara Velt live?"]
method:
  replay: { data: data/general.replay.txt, share: 0.2 }
  regularize: { kind: kl, weight: 0.5, on: [task, replay] }
  narrow: { tune: [gate_proj, up_proj], learning_rate: 2e-3 }
train: { max_steps: 200, batch_size: 8, max_length: 128, learning_rate: 1e-3, warmup_steps: 20, seed: 1 }
\`\`\`

## At the top`;

const variantsText = `## Variants

One recipe runs in several ways. The adapter, the data and the training settings are the same in all of them.

| variant | what runs |
| --- | --- |
| \`plain\` | the recipe without \`method\` |
| \`replay\` | plain and \`method.replay\`; it needs data |
| \`regularized\` | plain and \`method.regularize\`, on the task rows; default: KL with weight 0.5 |
| \`narrow\` | plain and \`method.narrow\`; default: gate_proj and up_proj. Its learning rate replaces the peak rate |
| \`as-written\` | the recipe as it stands |

A comparison runs plain, plain at a third of the learning rate (\`plain-third-rate\`, the honest strong baseline), each of the
three, and the recipe as written where it is none of these. On the command line \`--set key.path=value\` changes a key of any
of them; \`null\` removes it.

## Sweeps

\`sweep\` lists values for key paths. \`holdfast sweep RECIPE\`, and the lens Sweep, queue one run for each combination of them, the last
key fastest, named by what differs (\`weight=0.3 seed=2\`), and compare them in one table. Any other run ignores the section.

\`\`\`yaml
sweep:
  method.regularize.weight: [0.1, 0.3, 1]
  train.seed: [1, 2, 3]                        # several seeds: what holds in all of them is more than luck
stop_if: forgetting is forgot for 2 evals      # a run that broke its budget stops early
evaluate: { every: 25, items: 64 }             # during the run, a verdict takes 50 items
\`\`\`

Each value is checked like the key itself, and each combination like a recipe of its own; at most 100 runs. \`null\` removes a key or a
section: \`method.replay: [null, { data: old.txt, share: 0.2 }]\`.

## Texts of the base's own

\`retain: auto\`, or \`retain.auto\` beside named sets, watches for forgetting without any data. Before the first step the base model itself
writes \`items\` texts from nothing but its beginning-of-text token (or, where it has none, its end-of-text token), each token drawn as
likely as the base thinks it (temperature 1, nothing cut off, a fixed seed). They are scored like any other set, named \`auto\`.

\`\`\`yaml
retain:                                # \`retain: auto\` alone gives numbers and no verdict
  auto: { budget: { nats: 0.05 } }
  probes:
    arithmetic: { file: data/arithmetic.jsonl, budget: { points: 2 } }
\`\`\`

**What it says.** The mean rise of loss on what the base wrote estimates KL(base ‖ tuned) in nats per token, without bias and with an
interval over texts: how much less likely the tuned model finds what the base would say unasked. \`kl.auto\` is taken from whole
distributions, on the beginnings of 32 of them. **What it does not say.** Skills that the base seldom shows unasked (arithmetic, a rare language,
following a chat template) weigh as little as they come up in its texts, there is no accuracy, and a change for the better counts like one
for the worse. Name probe sets for what you would miss.

The texts are written once for base, tokenizer and settings, and kept below \`~/.holdfast/cache/base-texts\`, which may be deleted at any time. Every
variant, seed and engine on this machine is judged by the same texts. \`holdfast check\` writes none: it says how long it will take.

## A base in 4 bits

\`adapter.load_in_4bit: true\` (QLoRA, on the torch engine) holds the linear maps of the frozen base in 4 bits: NF4 with doubly quantized
maxima, 0.52 bytes a weight, rounded while the model is loaded. Embeddings, norms and head stay as they are, what trains is f32.
It needs bitsandbytes: \`holdfast doctor\` says whether it is there.

**Forgetting is measured against the rounded base**, the same model with its adapter off, and so is KL: what tuning took away, and nothing else.
The check \`neutral\` before the first step shows that both are 0 there, and \`precision\` that each weight is the nearest 4 bits of the file's.
What rounding itself costs is in no number of the run, and runs on a base in 4 bits are not compared with runs on a whole one. To be judged
against another base, name its folder in \`retain.base\`: that one is measured as it is stored. The result is a PEFT adapter;
\`holdfast eval ADAPTER --base MODEL\` says how it does on the whole weights, where it was not trained. It is not merged: into 4 bits it would
be rounded away, and merged into the weights before rounding it would be a model that nobody has measured.

## Number formats of the torch engine

What trains is held in f32, whatever computes: at small rates an update is below what 16 bits can tell.

| key | what it saves | what it changes |
| --- | --- | --- |
| \`train.precision: bf16\` | half the activations; a GPU is several times faster | numbers of 8 bits; taken by itself where a GPU has them |
| \`train.precision: f16\` | the same, on GPUs without bf16 | the loss is scaled by a power of two so that gradients do not vanish: \`lossScale\`. A step whose gradient overflows is not made, and the scale is halved: \`skippedSteps\` counts them, their \`gradientNorm\` is infinite, and the learning rate goes on with the steps. Where even an unscaled gradient overflows, the run ends and says so |
| \`train.optim: adamw_8bit\` | three quarters of AdamW's moments, 6 bytes of each weight that trains | moments in 8 bits, of tensors of 4096 numbers and more; those of embeddings stay in f32. Needs bitsandbytes. The run's record says what the state weighs |
| \`train.torch_compile: true\` | time, mostly on GPUs | layers are compiled for the passes that train. What is measured runs uncompiled, base and tuned alike, and \`trainEqualsEval\` holds both to each other. Rows are padded to one of four lengths, each with a program of its own, so that no number depends on the order in which lengths came |

All of it is part of a run's identity, with the version of bitsandbytes, and goes on exactly after a stop; a checkpoint holds safetensors and JSON alone.

## Stop rules

\`stop_if\` holds a rule or a list of them. A rule that is broken ends the run as \`holdfast stop\` would: the step is finished and the
state saved, so that it can be resumed; its numbers are those of the last evaluation. It is a mark on the chart, a line in the journal, and the reason of the run.

\`\`\`yaml
evaluate: { every: 25, items: 64 }
stop_if:
  - forgetting.general is forgot for 2 evals   # its budget is broken, twice in a row
  - forgetting > 0.05 for 2 evals              # any probe set
  - kl.train > 0.3
  - loss is nan                                # nan or infinite
  - loss > 5 for 10 steps
\`\`\`

| part | what it may be |
| --- | --- |
| metric at each step | \`loss\`, \`objective\`, \`replayLoss\`, \`penalty.kl\`, \`gradientNorm\`, \`learningRate\`, \`tokens\`, \`taskTokens\`, \`tokensPerSecond\` |
| metric at each evaluation | \`forgetting.NAME\`, \`kl.NAME\`, \`kl.train\`, \`learning.NAME\`, \`loss.NAME\`: a probe set, or a set of \`data.eval\` (\`eval\` where it is a path); without a name: any of them |
| condition | \`is forgot\`, \`is nan\`, or \`>\`, \`>=\`, \`<\`, \`<=\` and a number |
| duration | \`for N steps\` or \`for N evals\`, in a row; without it one time is enough |

Forgetting, learning and loss are nats per token, also where the budget is in points. During the run a verdict needs \`evaluate.items\`
of 50 or more; a rule that could never be broken for want of items is warned about. The evaluation at the end stops nothing.

## What is refused

Keys that the recipe does not know; files over 256 KB; nesting deeper than 32; merge keys, tags and aliases that unfold without
end; \`max_steps\` together with \`num_epochs\`; a \`batch_size\` that \`micro_batch_size\` does not divide; a warm-up as long as the
run; a sweep over unknown keys, with values that its keys
do not take, or in combinations that cannot run; a rule of \`stop_if\` that cannot be read or names what is not measured; \`regularize.on: [replay]\` without \`replay\`; an adapter that is to be merged into a base in 4 bits; a probe set that reads a file which is also trained on or measured as
learning; paths outside the project, the shipped models, the Hugging Face cache and the folders allowed on the machine.`;

interface Row {
  key: string;
  node: JsonSchemaNode;
  isRequired: boolean;
}

function flatten(node: JsonSchemaNode, prefix: string): Row[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const key = prefix + name;
    const named = typeof child.additionalProperties === 'object' ? child.additionalProperties : {};
    const row = { key, node: child, isRequired: node.required?.includes(name) ?? false };
    return [row, ...flatten(child, `${key}.`), ...flatten(named, `${key}.<name>.`)];
  });
}

function keyTable(rows: Row[]): string {
  const lines = rows.map(({ key, node, isRequired }) => {
    const fallback = isRequired ? 'required' : node.default === undefined ? '' : `\`${plainJson(node.default)}\``;
    return `| \`${key}\` | ${escapeCell(rangeText(node))} | ${fallback} | ${escapeCell(node.description ?? '')} |`;
  });
  return ['| key | value | default | what it does |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
