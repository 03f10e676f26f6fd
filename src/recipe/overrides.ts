/** `--set key.path=value` on a checked recipe: values are YAML, `null` removes a key, errors read as those of a file. */
import { isKeyPath, setKey } from './keyValues.ts';
import { checkRecipe } from './parse.ts';
import { type Problem, pathText, RecipeError, wholeText } from './problem.ts';
import type { Recipe } from './schema.ts';
import { readYaml } from './yamlText.ts';

export function applyOverrides(recipe: Recipe, overrides: readonly string[]): Recipe {
  if (overrides.length === 0) return recipe;
  const edited: Record<string, unknown> = structuredClone(recipe);
  for (const override of overrides) setOverride(edited, override);
  const { recipe: result, complaints } = checkRecipe(edited);
  const errors = complaints.filter(complaint => complaint.severity === 'error');
  if (!result || errors.length > 0) {
    throw new RecipeError(
      errors.map(({ at, message, ...rest }) => {
        const source = overrides.find(text => concerns(text, pathText(rest.path))) ?? overrides.join(' --set ');
        return { ...rest, message: `--set ${source}: ${message}`, range: wholeText };
      }),
    );
  }
  return result;
}

function setOverride(recipe: Record<string, unknown>, override: string): void {
  const equals = override.indexOf('=');
  const key = override.slice(0, Math.max(equals, 0)).trim();
  if (equals < 1 || !isKeyPath(key))
    throw refusal(override, 'it has no form key.path=value', 'Write for example --set train.max_steps=100.');
  const { value, problems } = readYaml(override.slice(equals + 1));
  if (problems[0]) throw refusal(override, problems[0].message, problems[0].remedy);
  const blocked = setKey(recipe, key, value);
  if (blocked) throw refusal(override, `${blocked} has no keys of its own`);
}

function refusal(override: string, why: string, remedy?: string): RecipeError {
  const problem: Problem = {
    severity: 'error',
    code: 'bad-override',
    message: `--set ${override}: ${why}`,
    remedy,
    path: [],
    range: wholeText,
  };
  return new RecipeError([problem]);
}

/** A complaint about a key, its section or what is below. */
function concerns(override: string, path: string): boolean {
  const key = override.slice(0, override.indexOf('=')).trim();
  return path !== '' && (key === path || key.startsWith(`${path}.`) || path.startsWith(key));
}
