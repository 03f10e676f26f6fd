/**
 * `control.ndjson`: what anyone asks of a run, append only. Reading is by polling: it works alike on Windows, over SSH
 * and on shared file systems.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { type ControlCommand, controlCommandSchema } from '../protocol/control.ts';
import { LineSplitter } from '../protocol/lineSplitter.ts';
import { presentAttempt } from './attempts.ts';
import type { RunFolder } from './runFolder.ts';
import { fromSystem } from './runsError.ts';
import { openChecked } from './safeFile.ts';

/** Asks the run's present attempt. A second `stop` means: at once, without saving. */
export async function sendControl(
  run: RunFolder,
  type: ControlCommand['type'],
  options: { text?: string; attempt?: number } = {},
): Promise<ControlCommand> {
  const attempt = options.attempt ?? (await presentAttempt(run));
  const id = randomBytes(6).toString('hex');
  const command: ControlCommand = {
    v: 1,
    id,
    t: Date.now(),
    attempt,
    type,
    ...(options.text && { text: options.text }),
  };
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);
    const handle = await open(run.controlFile, flags, 0o644);
    try {
      // Starts a line of its own even after somebody's torn one; empty lines are passed over.
      await handle.write(`\n${JSON.stringify(command)}\n`);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fromSystem(error, run.controlFile, 'writing');
  }
  return command;
}

/** Reads on from where it stopped. Lines that are no commands are passed over: anyone may write there. */
export class ControlReader {
  readonly #run: RunFolder;
  readonly #splitter = new LineSplitter(64 * 1024);
  #at = 0;

  constructor(run: RunFolder) {
    this.#run = run;
  }

  async next(): Promise<ControlCommand[]> {
    const handle = await openChecked(this.#run.controlFile);
    if (!handle) return [];
    try {
      const commands: ControlCommand[] = [];
      const buffer = Buffer.alloc(64 * 1024);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#at);
        if (bytesRead === 0) return commands;
        this.#at += bytesRead;
        for (const line of this.#splitter.push(buffer.subarray(0, bytesRead))) {
          const command = 'tooLong' in line ? null : decode(line.text);
          if (command) commands.push(command);
        }
      }
    } finally {
      await handle.close();
    }
  }
}

function decode(line: string): ControlCommand | null {
  try {
    const checked = controlCommandSchema.safeParse(JSON.parse(line));
    return checked.success ? checked.data : null;
  } catch {
    return null;
  }
}
