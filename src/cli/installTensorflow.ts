/** Asks whether TensorFlow for Node may be set up, or taken away, and does it. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import {
  begunFolder,
  carryOutTensorflow,
  installedTensorflow,
  planTensorflow,
  removeTensorflow,
} from '../runs/tensorflow/installTensorflow.ts';
import { npmBytes, tensorflowVersion } from '../runs/tensorflow/packages.ts';
import { tensorflowFolder } from '../runs/tensorflow/tensorflowFolder.ts';
import { isAgreed } from './agreement.ts';
import { DownloadBar } from './downloadBar.ts';
import type { Output } from './output.ts';
import { bytes } from './table.ts';

/** False when the answer was no. */
export async function installTensorflow(output: Output, isAgreedBefore: boolean): Promise<boolean> {
  const plan = await planTensorflow();
  const there = installedTensorflow(plan.folder);
  if (there?.tensorflow === tensorflowVersion && there.build === plan.build) {
    output.note(`TensorFlow ${there.tensorflow} for ${there.build} is in ${plan.folder} already.`);
    return true;
  }
  const size = `${bytes(npmBytes + plan.missingBytes)} are fetched, ${bytes(plan.diskBytes)} needed on the disk`;
  output.note(`Into ${plan.folder}: TensorFlow ${tensorflowVersion} for ${plan.build}, since ${plan.reason}; ${size}.`);
  for (const { file, url } of plan.wheels) output.note(`  ${file} from ${new URL(url).host}`);
  output.note(`  a binding for Node, built here with ${plan.compiler}`);
  if (!isAgreedBefore && !(await isAgreed('Install?'))) {
    output.note('Nothing was installed.');
    return false;
  }
  const bar = new DownloadBar(output, plan.missingBytes);
  await carryOutTensorflow(plan, {
    phase: text => {
      bar.end();
      output.note(text);
    },
    bytes: count => bar.add(count),
  });
  return true;
}

/** What was begun goes too. False when the answer was no. */
export async function takeTensorflowAway(output: Output, isAgreedBefore: boolean): Promise<boolean> {
  const folder = tensorflowFolder();
  const parts = [folder, begunFolder(folder)].filter(part => existsSync(part));
  if (parts.length === 0) {
    output.note(`There is no ${folder}.`);
    return true;
  }
  if (!isAgreedBefore && !(await isAgreed(`Remove ${parts.join(' and ')}?`))) {
    output.note('Nothing was removed.');
    return false;
  }
  await removeTensorflow(folder);
  await rm(begunFolder(folder), { recursive: true, force: true });
  output.note(`Removed ${parts.join(' and ')}.`);
  return true;
}
