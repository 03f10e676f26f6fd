/** `holdfast import`: run folders from elsewhere, to be looked at and compared; configurations of other tools as recipes. */
import { importRun } from '../../runs/importRun.ts';
import { type Command, jsonOption, wrongUse } from '../command.ts';
import { importConfig } from '../importConfig.ts';
import { storeHere } from '../machine.ts';
import type { Output } from '../output.ts';

export const importCommand: Command = {
  name: 'import',
  summary: 'Take run folders that were made elsewhere, to look at; or make recipes of axolotl and LLaMA-Factory files.',
  usage: 'FOLDER… | CONFIG.yaml… [--json]',
  options: jsonOption,
  async run({ positionals, output }) {
    if (positionals.length === 0) throw wrongUse(importCommand, 'FOLDER or CONFIG.yaml is missing');
    const isConfig = (name: string): boolean => /\.ya?ml$/i.test(name);
    if (positionals.every(isConfig)) return importConfigs(positionals, output);
    if (positionals.some(isConfig)) throw wrongUse(importCommand, 'Give folders of runs, or configurations, not both');
    const imported: { id: string; folder: string; leftOut: string[] }[] = [];
    for (const folder of positionals) {
      const { run, leftOut } = await importRun(storeHere(), folder);
      output.line(`${run.id} is imported.`);
      for (const what of leftOut) output.note(`left out ${what}`);
      imported.push({ id: run.id, folder: run.folder, leftOut });
    }
    output.answer(imported);
    return 0;
  },
};

async function importConfigs(files: string[], output: Output): Promise<number> {
  const imported = [];
  for (const file of files) {
    const { recipe, kind, untranslated } = await importConfig(file);
    output.line(`${recipe} is made from a configuration of ${kind}.`);
    for (const { key, value, why } of untranslated) output.note(`not translated: ${key}: ${value} (${why})`);
    imported.push({ recipe, kind, untranslated });
  }
  output.note('Name under retain.probes what must not be lost, then: holdfast check RECIPE');
  output.answer(imported);
  return 0;
}
