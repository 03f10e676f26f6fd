/** The extension as it ships, laid out for the tests in real VS Code, and the variable that tells them where it lies. */
import path from 'node:path';
import { stage, thisTarget } from '../../scripts/stage.ts';
import { checkout } from './places.ts';

export const stagedName = 'HOLDFAST_TEST_STAGED';

const folder = path.join(checkout, 'out/stage/e2e');
let isStaged = false;

/** Once a process. */
export function stageForTests(): Record<string, string> {
  if (!isStaged) stage(thisTarget, folder);
  isStaged = true;
  return { [stagedName]: folder };
}
