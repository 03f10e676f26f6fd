/** Asks whether the torch engine's environment may be made, and makes it. */
import { carryOut, planInstall, typed } from '../runs/installTorch.ts';
import { isAgreed } from './agreement.ts';
import type { Output } from './output.ts';

/** False when the answer was no. */
export async function installTorch(output: Output, isAgreedBefore: boolean): Promise<boolean> {
  const plan = await planInstall(process.env.HOLDFAST_PYTHON);
  output.note(`Into ${plan.folder}: ${plan.packages.join(', ')}, with what they need. It takes ${plan.size}.`);
  for (const command of plan.commands) output.note(`  ${typed(command)}`);
  if (!isAgreedBefore && !(await isAgreed('Install?'))) {
    output.note('Nothing was installed.');
    return false;
  }
  await carryOut(plan);
  return true;
}
