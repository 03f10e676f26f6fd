/** What is wrong with a recipe's `sweep`: an unknown key, a bad value, too many runs, a combination that cannot run. */
import { allKeys, isLaterKey, meantKey, nearest } from './keyNames.ts';
import { isKeyPath, setKey } from './keyValues.ts';
import { type Complaint, type KeyPath, pathText } from './problem.ts';
import { type Recipe, recipeSchema } from './schema.ts';
import { schemaComplaints } from './schemaComplaints.ts';
import { armCount, type Combination, combinations, mostArms, type Sweep } from './sweepGrid.ts';

/** Rules over several keys, as they hold for any recipe. */
export type CrossFieldCheck = (recipe: Recipe) => Complaint[];

/** More of the same is no help. */
const mostCombinationsNamed = 5;

export function sweepComplaints(recipe: Recipe, crossField: CrossFieldCheck): Complaint[] {
  const { sweep } = recipe;
  if (!sweep) return [];
  const found = Object.keys(sweep).flatMap(key => keyComplaints(key) ?? valueComplaints(recipe, key, sweep[key]!));
  if (found.length > 0) return found;
  return sizeComplaints(sweep) ?? combinationComplaints(recipe, crossField);
}

function complaint(
  path: KeyPath,
  code: string,
  message: string,
  remedy: string,
  at: Complaint['at'] = 'key',
): Complaint {
  return { severity: 'error', code, message, remedy, path, at };
}

const example = 'For example method.regularize.weight: [0.1, 0.3, 1].';

function keyComplaints(key: string): Complaint[] | null {
  const path = ['sweep', key];
  if (key === 'name' || key === 'sweep' || key.startsWith('sweep.'))
    return [complaint(path, 'bad-sweep', `${key} is nothing to sweep over`, `Name settings of the run. ${example}`)];
  if (isLaterKey(key)) {
    const remedy = 'Remove it; this version does not know it yet.';
    return [complaint(path, 'not-supported-yet', `${key} is not supported yet`, remedy)];
  }
  if (isKeyPath(key) && isKnown(key)) return null;
  const suggestion = meantPath(key);
  const remedy = suggestion ? `Did you mean ${suggestion}?` : `Write the whole path of a key. ${example}`;
  return [{ ...complaint(path, 'unknown-key', `Unknown key ${key}`, remedy), ...(suggestion && { suggestion }) }];
}

/** Probe sets have names of their own; their keys are not in the list. */
const isKnown = (key: string): boolean =>
  allKeys().includes(key) || /^retain\.probes\.[^.]+\.(file|budget|budget\.(nats|points))$/.test(key);

function meantPath(key: string): string | undefined {
  const parts = key.split('.');
  const meant = meantKey(parts.slice(0, -1).join('.'), parts.at(-1)!)?.key;
  return meant ?? nearest(key, allKeys());
}

function valueComplaints(recipe: Recipe, key: string, values: readonly unknown[]): Complaint[] {
  const seen = new Map<string, number>();
  return values.flatMap((value, place): Complaint[] => {
    const path = ['sweep', key, place];
    const text = JSON.stringify(value);
    if (seen.has(text)) return [complaint(path, 'bad-sweep', `${text} stands twice in ${key}`, 'Keep one.', 'value')];
    seen.set(text, place);
    return schemaComplaintsOf(recipe, key, value).map(({ path: at, ...rest }) => {
      const below = pathText(at).startsWith(key) ? at.slice(key.split('.').length) : [];
      return { ...rest, path: [...path, ...below], at: 'value' };
    });
  });
}

function schemaComplaintsOf({ sweep: _, ...rest }: Recipe, key: string, value: unknown): Complaint[] {
  const edited: Record<string, unknown> = structuredClone(rest);
  const blocked = setKey(edited, key, value);
  if (blocked) {
    return [complaint([], 'bad-sweep', `${blocked} has no keys of its own here`, `Sweep over ${blocked} instead.`)];
  }
  const parsed = recipeSchema.safeParse(edited);
  return parsed.success ? [] : schemaComplaints(parsed.error.issues, edited);
}

function sizeComplaints(sweep: Sweep): Complaint[] | null {
  const count = armCount(sweep);
  if (Object.keys(sweep).length === 0) {
    return [complaint(['sweep'], 'bad-sweep', 'sweep names no key', `Name settings and their values. ${example}`)];
  }
  if (count <= mostArms) return null;
  const message = `The sweep makes ${count} runs; at most ${mostArms} are taken`;
  return [complaint(['sweep'], 'bad-sweep', message, 'List fewer values, or fewer keys at once.')];
}

/** Rules over several keys can be broken by some combinations alone. */
function combinationComplaints(recipe: Recipe, crossField: CrossFieldCheck): Complaint[] {
  if (errorsOf(crossField({ ...recipe, sweep: undefined })).length > 0) return [];
  const found: Complaint[] = [];
  for (const combination of combinations(recipe)) {
    const parsed = recipeSchema.safeParse(combination.recipe);
    const problems = parsed.success
      ? errorsOf(crossField(parsed.data))
      : schemaComplaints(parsed.error.issues, combination.recipe);
    for (const problem of problems) found.push(placedIn(problem, combination));
    if (found.length >= mostCombinationsNamed) break;
  }
  return found.slice(0, mostCombinationsNamed);
}

const errorsOf = (complaints: Complaint[]): Complaint[] => complaints.filter(({ severity }) => severity === 'error');

/** At the value that takes part in the conflict, else at the sweep. */
function placedIn({ message, remedy, path, code }: Complaint, { places, label }: Combination): Complaint {
  const about = pathText(path);
  const key =
    Object.keys(places).find(name => about === name || about.startsWith(`${name}.`)) ?? mentioned(message, places);
  const at: KeyPath = key === undefined ? ['sweep'] : ['sweep', key, places[key]!];
  const where = key === undefined ? 'key' : 'value';
  return { severity: 'error', code, message: `With ${label}: ${message}`, remedy, path: at, at: where };
}

const mentioned = (message: string, places: Combination['places']): string | undefined =>
  Object.keys(places).find(key => message.includes(key));
