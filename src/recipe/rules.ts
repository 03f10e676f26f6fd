/** Rules that span several keys. Each says what is in conflict, why, and what to do. Knows no text and no files. */
import { autoSet } from './autoSet.ts';
import { isLaterValue } from './keyNames.ts';
import { modulesOf } from './modules.ts';
import type { Complaint, KeyPath } from './problem.ts';
import type { Recipe } from './schema.ts';
import { stopRuleComplaints } from './stopRuleComplaints.ts';

export function crossFieldComplaints(recipe: Recipe): Complaint[] {
  return [
    ...lengthOfRun(recipe),
    ...batches(recipe),
    ...methodParts(recipe),
    ...packedBase(recipe),
    ...leaks(recipe),
    ...fileKinds(recipe),
    ...whatIsWatched(recipe),
    ...whatCalculates(recipe),
    ...onlyTorch(recipe),
    ...ownProgram(recipe),
    ...stopRuleComplaints(recipe),
  ];
}

function complaint(
  code: string,
  path: KeyPath,
  message: string,
  remedy: string,
  at: Complaint['at'] = 'value',
): Complaint {
  return { severity: 'error', code, message, remedy, path, at };
}

function lengthOfRun({ train }: Recipe): Complaint[] {
  const found: Complaint[] = [];
  if (train.max_steps !== undefined && train.num_epochs !== undefined) {
    const message = 'train.max_steps and train.num_epochs both say how long to train';
    found.push(complaint('conflict', ['train', 'num_epochs'], message, 'Keep one of them.', 'key'));
  }
  const steps = train.num_epochs === undefined ? (train.max_steps ?? defaultSteps) : Number.POSITIVE_INFINITY;
  if (train.warmup_steps >= steps) {
    const message = `train.warmup_steps (${train.warmup_steps}) is not below train.max_steps (${steps}): the peak rate is never reached`;
    found.push(complaint('conflict', ['train', 'warmup_steps'], message, 'Warm up for a tenth of the steps or less.'));
  }
  return found;
}

/** Steps when neither max_steps nor num_epochs is given. */
export const defaultSteps = 200;

function batches({ train }: Recipe): Complaint[] {
  const micro = train.micro_batch_size;
  if (micro === undefined || train.batch_size % micro === 0) return [];
  const message = `train.batch_size (${train.batch_size}) is not a multiple of train.micro_batch_size (${micro})`;
  const remedy = `Choose a divisor of ${train.batch_size}, or another batch_size.`;
  return [complaint('conflict', ['train', 'micro_batch_size'], message, remedy)];
}

function methodParts({ method, adapter }: Recipe): Complaint[] {
  const { regularize, replay, narrow } = method;
  const found: Complaint[] = [];
  const onReplay = regularize?.on.indexOf('replay') ?? -1;
  if (onReplay >= 0 && !replay) {
    const message = 'method.regularize.on names replay, but there is no method.replay';
    const remedy = 'Add method.replay with its data, or regularize on [task].';
    found.push(complaint('conflict', ['method', 'regularize', 'on', onReplay], message, remedy));
  }
  for (const [i, entry] of (narrow?.tune ?? []).entries()) {
    if (!isLaterValue('method.narrow.tune', entry)) continue;
    const path = ['method', 'narrow', 'tune', i];
    const message = `method.narrow.tune: ${String(entry)} is not supported yet`;
    found.push(complaint('not-supported-yet', path, message, 'Name modules, attention, mlp or {last_layers: N}.'));
  }
  if (narrow && adapter && !adaptersRemain(narrow.tune, adapter.target_modules)) {
    const message =
      'method.narrow.tune and adapter.target_modules have nothing in common: no adapter would be left to train';
    const remedy = `Let narrow.tune name some of ${adapter.target_modules.join(', ')}, or {last_layers: N}.`;
    found.push(complaint('conflict', ['method', 'narrow', 'tune'], message, remedy, 'key'));
  }
  return found;
}

/** What was tuned on a rounded base cannot be put into it, nor be judged on another. */
function packedBase({ adapter }: Recipe): Complaint[] {
  if (!adapter?.load_in_4bit || adapter.output !== 'merged') return [];
  const message =
    'adapter.output: merged does not go with load_in_4bit: merged into 4 bits the adapter would be rounded away, and into the weights before rounding it was never measured';
  const remedy = 'Take output: adapter. Merged elsewhere, it can be measured by holdfast eval.';
  return [complaint('conflict', ['adapter', 'output'], message, remedy)];
}

type Tune = NonNullable<Recipe['method']['narrow']>['tune'];

/** With an adapter, narrow.tune restricts where adapters sit. */
export function adaptersRemain(tune: Tune, targets: string[]): boolean {
  return tune.some(
    entry => typeof entry !== 'string' || modulesOf(entry).some(name => targets.flatMap(modulesOf).includes(name)),
  );
}

const takenNames = new Map([
  ['train', 'kl.train names the training rows'],
  [autoSet, 'so are the texts that the base writes (retain.auto)'],
]);

/** A probe that was trained on measures nothing; learning on training rows is not learning. */
function leaks(recipe: Recipe): Complaint[] {
  const { data, method, retain } = recipe;
  const evals = evalFiles(recipe);
  const others = new Map<string, string>();
  for (const [name, file] of Object.entries(evals))
    others.set(sameFile(file), name ? `data.eval.${name}` : 'data.eval');
  if (method.replay) others.set(sameFile(method.replay.data), 'method.replay.data');
  others.set(sameFile(data.train), 'data.train');
  const found: Complaint[] = [];
  for (const [name, probe] of Object.entries(retain?.probes ?? {})) {
    const path = ['retain', 'probes', name, 'file'];
    const other = others.get(sameFile(probe.file));
    if (other) {
      const message = `The probe set ${name} reads the file of ${other}: a probe must be held out`;
      found.push(
        complaint('probe-leak', path, message, 'Put aside rows that nothing else uses, in a file of their own.'),
      );
    }
    const taken = takenNames.get(name);
    if (taken) {
      const message = `A probe set cannot be called ${name}: ${taken}`;
      found.push(complaint('bad-name', ['retain', 'probes', name], message, 'Choose another name.', 'key'));
    }
  }
  for (const [name, file] of Object.entries(evals)) {
    if (sameFile(file) !== sameFile(data.train)) continue;
    const path = name ? ['data', 'eval', name] : ['data', 'eval'];
    const message = 'data.eval reads the training file: learning would be measured on rows it was trained on';
    const remedy = 'Put aside some task rows in a file of their own.';
    found.push({ ...complaint('eval-leak', path, message, remedy), severity: 'warning' });
  }
  return found;
}

/** `''` when data.eval is a single path. */
function evalFiles({ data }: Recipe): Record<string, string> {
  if (data.eval === undefined) return {};
  return typeof data.eval === 'string' ? { '': data.eval } : data.eval;
}

/** As far as text alone can tell: `./data//a.txt` is `data/a.txt`. */
function sameFile(path: string): string {
  const parts: string[] = [];
  for (const part of path.replaceAll('\\', '/').split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '.' && (part !== '' || parts.length === 0)) parts.push(part);
  }
  return parts.join('/');
}

function fileKinds(recipe: Recipe): Complaint[] {
  const files: [KeyPath, string][] = [[['data', 'train'], recipe.data.train]];
  for (const [name, file] of Object.entries(evalFiles(recipe)))
    files.push([name ? ['data', 'eval', name] : ['data', 'eval'], file]);
  for (const [name, probe] of Object.entries(recipe.retain?.probes ?? {}))
    files.push([['retain', 'probes', name, 'file'], probe.file]);
  if (recipe.method.replay) files.push([['method', 'replay', 'data'], recipe.method.replay.data]);
  return files
    .filter(([, file]) => /\.arrow$/i.test(file))
    .map(([path]) =>
      complaint(
        'not-supported-yet',
        path,
        'Reading arrow files is not supported yet',
        'Convert it to jsonl or parquet.',
      ),
    );
}

/** A program of the user's own trains as it is written. */
function ownProgram({ command, method, engine, retain }: Recipe): Complaint[] {
  if (!command) return [];
  const noWriter = 'retain.auto needs an engine that writes with the base before it trains, which command is not';
  const writing = complaint(
    'conflict',
    ['retain', autoSet],
    noWriter,
    'Name sets of a file under retain.probes.',
    'key',
  );
  const found = Object.keys(method).map(name => {
    const message = `method.${name} is not applied to the program of command: it trains as it is written`;
    return complaint('conflict', ['method', name], message, 'Leave out method, or command.', 'key');
  });
  if (retain?.auto) found.push(writing);
  if (retain?.answers) {
    const message = 'retain.answers has no say where command trains: its answers are greedy';
    found.push(complaint('conflict', ['retain', 'answers'], message, 'Leave out retain.answers, or command.', 'key'));
  }
  if (engine === 'auto') return found;
  const message = `engine: ${engine} and command both say what trains`;
  return [...found, complaint('conflict', ['engine'], message, 'Keep one of them.')];
}

/** The embedded engine has no such thing, and must not leave it out in silence. */
function onlyTorch({ adapter, train, engine }: Recipe): Complaint[] {
  const wishes: [KeyPath, unknown][] = [
    [['adapter', 'use_rslora'], adapter?.use_rslora],
    [['adapter', 'use_dora'], adapter?.use_dora],
    [['adapter', 'load_in_4bit'], adapter?.load_in_4bit],
    [['train', 'optim'], train.optim === 'adamw' ? undefined : train.optim],
    [['train', 'precision'], train.precision === 'auto' ? undefined : train.precision],
    [['train', 'torch_compile'], train.torch_compile],
    [['train', 'deterministic'], train.deterministic],
  ];
  return wishes
    .filter(([, wish]) => wish && engine !== 'torch')
    .map(([path]) =>
      complaint('conflict', path, `${path.join('.')} needs the torch engine`, 'Set engine: torch.', 'key'),
    );
}

function whatCalculates({ engine, runtime, provider = 'auto' }: Recipe): Complaint[] {
  const wishes = Object.entries({ runtime, provider }).filter(([, wish]) => wish !== 'auto');
  if (engine === 'torch') {
    return wishes.map(([key, wish]) => {
      const message = `${key}: ${wish} belongs to the embedded engine, and the recipe asks for torch`;
      return complaint('conflict', [key], message, `Leave ${key} out, or set engine: node.`);
    });
  }
  if (runtime !== 'tensorflow' || provider === 'auto') return [];
  const message = `provider: ${provider} belongs to onnxruntime, and the recipe asks for tensorflow`;
  return [complaint('conflict', ['provider'], message, 'Leave provider out, or set runtime: onnxruntime.')];
}

function whatIsWatched({ retain }: Recipe): Complaint[] {
  if (retain?.auto || (retain && Object.keys(retain.probes).length > 0)) return [];
  const message = 'Nothing watches for forgetting: the run will show what was learned, and not what was lost';
  const remedy =
    'Add retain.probes: a name, and a file of held-out items that stand for what must not be lost. Or retain: auto, which needs no data.';
  return [{ severity: 'warning', code: 'no-retain', message, remedy, path: retain ? ['retain'] : [], at: 'key' }];
}
