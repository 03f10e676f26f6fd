/** Asks for a yes before something large happens. */
import { createInterface } from 'node:readline/promises';
import { RunsError } from '../runs/runsError.ts';

/** Throws `wrong-use` where there is nobody to ask. */
export async function isAgreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new RunsError('wrong-use', 'There is no terminal to ask on', { remedy: 'Agree beforehand: --yes.' });
  }
  const questions = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await questions.question(`${question} [y/N] `)).trim());
  } finally {
    questions.close();
  }
}
