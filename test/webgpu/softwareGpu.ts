/**
 * A GPU that is a program on the CPU: SwiftShader, which the packaged browser of the editor tests brings along. Slow, but
 * the same commands and the same rules as a real one.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { checkout, modules } from '../vscode/places.ts';

const packed = path.join(modules, '@sparticuz/chromium/bin/swiftshader.tar.br');
const folder = path.join(checkout, 'out/swiftshader');

/** What a process needs in its environment to find it; unpacked at the first call. */
export function softwareGpu(): Record<string, string> {
  if (!existsSync(folder)) unpack();
  return { VK_ICD_FILENAMES: path.join(folder, 'vk_swiftshader_icd.json'), LD_LIBRARY_PATH: folder };
}

function unpack(): void {
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  execFileSync('tar', ['-x', '-C', unfinished], { input: brotliDecompressSync(readFileSync(packed)) });
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
}
