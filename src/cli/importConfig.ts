/** Turns a configuration of axolotl or LLaMA-Factory into a recipe beside it, and says what was left out. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { kindOfConfig, translateConfig, translatedText, type Untranslated } from '../recipe/foreignConfig.ts';
import { readYaml } from '../recipe/yamlText.ts';
import { RunsError } from '../runs/runsError.ts';
import { readFileChecked, writeFileSafely } from '../runs/safeFile.ts';

const largest = 256 * 1024;

export async function importConfig(
  file: string,
): Promise<{ recipe: string; kind: string; untranslated: Untranslated[] }> {
  const text = await readFileChecked(file, largest);
  if (text === null) throw new RunsError('file-missing', `There is no file ${file}`, { file });
  const { value, problems } = readYaml(text);
  const [problem] = problems;
  if (problem) throw new RunsError(problem.code, problem.message, { file, line: problem.range.line });
  const config = typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  const kind = kindOfConfig(config);
  if (!kind) {
    throw new RunsError('config-unknown', `${file} is a configuration of neither axolotl nor LLaMA-Factory`, {
      file,
      remedy: 'axolotl names base_model, LLaMA-Factory model_name_or_path.',
    });
  }
  const recipe = join(dirname(file), `${basename(file).replace(/\.ya?ml$/i, '')}.tune.yaml`);
  if (existsSync(recipe)) {
    throw new RunsError('exists', `${recipe} is there already`, { file: recipe, remedy: 'Move it away first.' });
  }
  const translated = translateConfig(config, kind);
  await writeFileSafely(recipe, translatedText(translated));
  return { recipe, kind, untranslated: translated.untranslated };
}
