/** `notes.md` of a run: the user's own Markdown, made when it is first wanted. A link in its place is not followed. */
import { constants, lstatSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import type { RunFolder } from './runFolder.ts';
import { fromSystem, RunsError, systemCode } from './runsError.ts';
import { readFileChecked } from './safeFile.ts';

const largest = 16 * 1024 * 1024;

/** There afterwards, and a plain file. */
export async function makeNotes({ notes }: RunFolder, heading: string): Promise<void> {
  await writeFile(notes, `# ${heading}\n\n`, { flag: 'wx' }).catch(error => {
    if (systemCode(error) !== 'EEXIST') throw fromSystem(error, notes, 'making');
  });
  refuseOthers(notes);
}

export function hasNotes({ notes }: RunFolder): boolean {
  if (!lstatSync(notes, { throwIfNoEntry: false })) return false;
  refuseOthers(notes);
  return true;
}

/** A paragraph more, below the others. */
export async function addNote({ notes }: RunFolder, note: string): Promise<void> {
  const before = (await readFileChecked(notes, largest)) ?? '';
  const gap = before === '' || before.endsWith('\n\n') ? '' : before.endsWith('\n') ? '\n' : '\n\n';
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);
  try {
    const handle = await open(notes, flags, 0o644);
    await handle.writeFile(`${gap}${note}\n`).finally(() => handle.close());
  } catch (error) {
    throw fromSystem(error, notes, 'writing');
  }
}

function refuseOthers(notes: string): void {
  if (lstatSync(notes).isFile()) return;
  const message = `${notes} is no plain file; notes are never read or written elsewhere`;
  throw new RunsError('damaged', message, { file: notes, remedy: 'Remove it.' });
}
