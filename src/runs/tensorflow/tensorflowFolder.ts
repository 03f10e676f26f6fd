/** Where TensorFlow for Node is: the folder that `holdfast doctor --install tensorflow` makes, or the one that is named. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { holdfastHome } from '../home.ts';

export const tensorflowPackage = '@tensorflow/tfjs-node-gpu';
export const tensorflowCommand = 'holdfast doctor --install tensorflow';

export const tensorflowFolder = (): string => process.env.HOLDFAST_TENSORFLOW || join(holdfastHome(), 'tensorflow');

/** An installation appears as a whole, so that looking for its package is enough. */
export const hasTensorflow = (folder = tensorflowFolder()): boolean =>
  existsSync(join(folder, 'node_modules', tensorflowPackage, 'package.json'));
