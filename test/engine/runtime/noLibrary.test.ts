/**
 * A system for which onnxruntime has no library, as macOS on Intel, and one that does not load the library there is, as Linux
 * with musl: the trainer beside a package of onnxruntime whose library is taken away or is none.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { before, test } from 'node:test';
import type { FailedEvent } from '../../../src/protocol/trainer.ts';
import { bundle } from '../../protocol/fakeTrainerProgram.ts';
import { temporaryFolder } from '../../runs/testStore.ts';
import { makeTinyFiles, type TinyFiles } from '../support/tinyRun.ts';

let files: TinyFiles;
let program: string;
before(async () => {
  program = bundle(resolve('src/engine/main.ts'), 'trainer');
  files = await makeTinyFiles();
});

function lastWords(library?: string): FailedEvent {
  const folder = temporaryFolder('no-library');
  const packages = join(folder, 'node_modules');
  cpSync('node_modules/onnxruntime-common', join(packages, 'onnxruntime-common'), { recursive: true });
  for (const part of ['package.json', 'dist']) {
    const from = join('node_modules/onnxruntime-node', part);
    cpSync(from, join(packages, 'onnxruntime-node', part), { recursive: true });
  }
  if (library !== undefined) {
    const { platform, arch } = process;
    const file = join(packages, 'onnxruntime-node/bin/napi-v6', platform, arch, 'onnxruntime_binding.node');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, library);
  }
  cpSync(program, join(folder, 'trainer.cjs'));
  const input = `${JSON.stringify(files.start({ runtime: 'onnxruntime' }))}\n`;
  const { stdout } = spawnSync(process.execPath, [join(folder, 'trainer.cjs')], { input, encoding: 'utf8' });
  const event = JSON.parse(stdout.trim().split('\n').at(-1)!) as FailedEvent;
  assert.equal(event.type, 'failed', stdout);
  return event;
}

const platform = `${process.platform}-${process.arch}`;
for (const [title, library, why] of [
  ['has no library', undefined, /Cannot find module/],
  ['does not load the library', 'made for another C library', /./],
] as const) {
  test(`a system that ${title} is refused by name, with where it runs`, () => {
    const { code, message, remedy } = lastWords(library);
    assert.equal(code, 'no-runtime');
    assert.match(message, new RegExp(`onnxruntime has no library that loads on ${platform}: `));
    assert.match(message.split(`${platform}: `)[1]!, why);
    assert.match(remedy!, /Linux \(glibc\), macOS on Apple silicon and Windows/);
  });
}
