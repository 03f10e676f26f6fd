/** `holdfast edit`: what the user says of runs: name, tags, star, colour, hidden, and a note more. */
import { addNote } from '../../runs/notes.ts';
import { changeUser, type UserChange } from '../../runs/userChoices.ts';
import { type Command, flag, jsonOption, list, text, type Values, wrongUse } from '../command.ts';
import { findRuns } from '../findRun.ts';
import { storeHere } from '../machine.ts';

export const edit: Command = {
  name: 'edit',
  summary: 'Name, tags, star, colour, notes of runs; hide and show them.',
  usage:
    'RUN… [--name NAME] [--tag TAG …] [--untag TAG …] [--star | --unstar] [--colour 1-8|none] [--hide | --unhide] [--note TEXT] [--json]',
  options: {
    name: { type: 'string', value: 'NAME', help: 'Another name; empty: the one its recipe gives.' },
    tag: { type: 'string', multiple: true, value: 'TAG', help: 'Add a tag.' },
    untag: { type: 'string', multiple: true, value: 'TAG', help: 'Remove a tag.' },
    star: { type: 'boolean', help: 'Add a star.' },
    unstar: { type: 'boolean', help: 'Remove the star.' },
    colour: { type: 'string', value: '1-8|none', help: 'Colour in lists and charts.' },
    hide: { type: 'boolean', help: 'Leave it out of lists.' },
    unhide: { type: 'boolean', help: 'List it again.' },
    note: { type: 'string', value: 'TEXT', help: 'Add a paragraph to its notes.md.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const change = changeOf(values);
    const note = text(values, 'note');
    if (Object.keys(change).length === 0 && !note) throw wrongUse(edit, 'It is not said what should change');
    const runs = await findRuns(edit, positionals);
    // What is refused, is refused whole: a note would be there twice when it is said again.
    const users = await changeUser(storeHere(), runs, change);
    if (note) for (const run of runs) await addNote(run, note);
    for (const [index, run] of runs.entries()) output.line(`${run.id}: ${words(users[index] ?? {})}`);
    output.answer(runs.map(({ id }, index) => ({ id, ...users[index] })));
    return 0;
  },
};

function changeOf(values: Values): UserChange {
  const colour = text(values, 'colour');
  const [addTags, removeTags] = [list(values, 'tag'), list(values, 'untag')];
  return {
    ...(text(values, 'name') !== undefined && { name: text(values, 'name') || null }),
    ...(addTags.length > 0 && { addTags }),
    ...(removeTags.length > 0 && { removeTags }),
    ...(colour !== undefined && { colour: colourOf(colour) }),
    ...either(values, 'star', 'unstar', star => ({ star })),
    ...either(values, 'hide', 'unhide', hidden => ({ hidden })),
  };
}

function either(values: Values, yes: string, no: string, make: (on: boolean) => UserChange): UserChange {
  if (flag(values, yes) && flag(values, no)) throw wrongUse(edit, `--${yes} and --${no} exclude each other`);
  return flag(values, yes) ? make(true) : flag(values, no) ? make(false) : {};
}

/** People count from one. */
function colourOf(given: string): number | null {
  if (given === 'none') return null;
  if (!/^[1-8]$/.test(given)) throw wrongUse(edit, `--colour is 1 to 8 or none, not "${given}"`);
  return Number(given) - 1;
}

function words(user: object): string {
  const said = Object.entries(user).map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(', ') : value}`);
  return said.join('; ') || 'as its recipe says';
}
