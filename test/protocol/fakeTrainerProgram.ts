/** Bundles the fake trainer into one program, once for each content, and gives its path. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import type { FakeTrainerOptions } from './fakeTrainerOptions.ts';

export function fakeTrainerProgram(): string {
  return bundle(fileURLToPath(new URL('./fakeTrainer.ts', import.meta.url)), 'fakeTrainer');
}

/** Program and arguments, as run requests and HOLDFAST_TRAINER take them. */
export function fakeTrainer(options: FakeTrainerOptions = {}): string[] {
  return [fakeTrainerProgram(), JSON.stringify(options)];
}

/** One CommonJS file, named by its content. */
export function bundle(entry: string, name: string): string {
  const { outputFiles } = buildSync({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['onnxruntime-node'],
    write: false,
    logLevel: 'error',
  });
  const text = outputFiles[0]?.text ?? '';
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 12);
  // Where a program still finds what is not bundled.
  const folder = fileURLToPath(new URL('../../node_modules/.cache/holdfast-test', import.meta.url));
  const file = join(folder, `${name}-${digest}.cjs`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${file}.${process.pid}`, text);
  renameSync(`${file}.${process.pid}`, file);
  return file;
}
