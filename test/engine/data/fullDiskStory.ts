/**
 * Tokens are written to a disk that is full in the middle of it. A program of its own. usage: fullDiskStory.ts DISK. Prints, as
 * JSON, what was said, how often, and whether the tokens read back as they were.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { WhenThereIsRoom } from '../../../src/engine/data/ints.ts';
import type { Tokens } from '../../../src/engine/data/tokens.ts';
import { TokenWriter } from '../../../src/engine/data/tokenWriter.ts';
import { whenThereIsRoom } from '../../../src/engine/roomOnDisk.ts';
import { RunControl } from '../../../src/engine/runControl.ts';
import type { TrainerEvent } from '../../../src/protocol/trainer.ts';

const disk = process.argv[2] ?? '';
const filler = join(disk, 'filler');
const folder = join(disk, 'tokens');
/** Some four megabytes. */
const rows: Tokens[] = Array.from({ length: 1000 }, (_, i) => ({
  ids: Int32Array.from({ length: 1000 }, (_, t) => i * 1000 + t),
  targets: Uint8Array.from({ length: 1000 }, (_, t) => t % 2),
}));

async function main(): Promise<void> {
  writeFileSync(filler, Buffer.alloc(3 * 2 ** 20));
  const refused = await written(write => write()).catch((error: { code: string; remedy?: string }) => error);
  const { code, remedy } = refused as { code: string; remedy?: string };
  const left = readdirSync(folder);
  const said: string[] = [];
  const observer = (event: TrainerEvent): void => {
    if (event.type === 'waiting') said.push(event.code);
    rmSync(filler);
  };
  const read = await written(write => whenThereIsRoom(write, observer, new RunControl()));
  process.stdout.write(JSON.stringify({ code, remedy, left, said, isSame: isDeepStrictEqual(read, rows) }));
}

async function written(whenRoom: WhenThereIsRoom): Promise<(Tokens | undefined)[]> {
  const writer = new TokenWriter(folder, 'key', { maxLength: 1000, mostHeld: 1, whenThereIsRoom: whenRoom });
  try {
    for (const row of rows) await writer.add(row);
    const { sequences } = await writer.finish({ dropped: 0, cut: 0 });
    return rows.map((_, i) => sequences.at(i));
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

main().catch(error => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
