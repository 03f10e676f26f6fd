/** Which program trains a run, and what runs it. Knows nothing of how it is started or watched. */
import { join } from 'node:path';
import type { NodeChoice } from './nodePath.ts';
import type { PythonChoice } from './pythonPath.ts';

export interface TrainerProgram {
  /** Node or Python. */
  tool: NodeChoice;
  args: string[];
  /** It reads no data itself: the embedded engine prepares them first. */
  needsPrepared: boolean;
}

export interface TrainerParts {
  node: NodeChoice;
  engineFolder: string;
  /** Stands in for every trainer: program and arguments for Node. */
  trainer?: string[];
  /** Runs the torch engine. */
  python?: PythonChoice;
  command?: OwnProgram;
}

/** A training program of the user's own. */
export interface OwnProgram {
  words: string[];
  /** Where it is started. */
  folder: string;
}

export function trainerProgram({ node, engineFolder, trainer, python, command }: TrainerParts): TrainerProgram {
  if (trainer) return { tool: node, args: trainer, needsPrepared: false };
  if (command) {
    const args = [join(engineFolder, 'command.cjs'), command.folder, ...command.words];
    return { tool: node, args, needsPrepared: true };
  }
  if (!python) return embeddedProgram({ node, engineFolder });
  const program = join(engineFolder, 'torch_engine', '__main__.py');
  return { tool: { ...python, env: pythonEnvironment }, args: ['-E', '-u', program], needsPrepared: true };
}

export const embeddedProgram = ({
  node,
  engineFolder,
}: Pick<TrainerParts, 'node' | 'engineFolder'>): TrainerProgram => ({
  tool: node,
  args: [join(engineFolder, 'trainer.cjs')],
  needsPrepared: false,
});

/** A run downloads nothing, and leaves nothing in the engine's folder. */
const pythonEnvironment = {
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONIOENCODING: 'utf-8',
  HF_HUB_OFFLINE: '1',
  TRANSFORMERS_OFFLINE: '1',
  HF_HUB_DISABLE_TELEMETRY: '1',
  TOKENIZERS_PARALLELISM: 'false',
};
