/** `holdfast import`: run folders from elsewhere, to be looked at and compared. */
import { importRun } from '../../runs/importRun.ts';
import { type Command, jsonOption, wrongUse } from '../command.ts';
import { storeHere } from '../machine.ts';

export const importCommand: Command = {
  name: 'import',
  summary: 'Take run folders that were made elsewhere into this project, to look at and compare.',
  usage: 'FOLDER… [--json]',
  options: jsonOption,
  async run({ positionals, output }) {
    if (positionals.length === 0) throw wrongUse(importCommand, 'FOLDER is missing');
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
