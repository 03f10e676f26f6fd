/** The extension as it ships, laid out for the tests in real VS Code, and the variable that tells them where it lies. */
import path from 'node:path';
import { stage, thisTarget } from '../../scripts/stage.ts';
import { checkout } from './places.ts';

export const stagedName = 'HOLDFAST_TEST_STAGED';

export function stageForTests(): Record<string, string> {
  const folder = path.join(checkout, 'out/stage/e2e');
  stage(thisTarget, folder);
  return { [stagedName]: folder };
}
