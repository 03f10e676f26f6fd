/** Builds what lets Node call TensorFlow's libraries, with the C++ compiler of this machine. */
import { existsSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { runInstaller } from '../installTorch.ts';
import { RunsError } from '../runsError.ts';
import { tensorflowPackage } from './tensorflowFolder.ts';

/** Throws with what to install where there is none. */
export function findCompiler(): string {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const paths = ['c++', 'g++', 'clang++'].flatMap(name => folders.map(folder => join(folder, name)));
  const found = paths.find(path => existsSync(path));
  if (found) return found;
  throw new RunsError('install-failed', 'TensorFlow for Node is built here, and there is no C++ compiler on PATH', {
    remedy: 'Install one, on Debian and Ubuntu: sudo apt-get install g++',
  });
}

export async function buildBinding(folder: string, compiler: string): Promise<void> {
  const tfjs = join(folder, 'node_modules', tensorflowPackage);
  const [deps, to] = [join(tfjs, 'deps'), join(tfjs, 'lib', 'napi-v8')];
  await nameLibraries(join(deps, 'lib'));
  await mkdir(to, { recursive: true });
  const include = [join(folder, 'node_modules/node-api-headers/include'), join(deps, 'include'), tfjs];
  const args = [
    ...['-std=gnu++17', '-O1', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8', '-DNODE_GYP_MODULE_NAME=tfjs_binding'],
    ...include.flatMap(path => ['-I', path]),
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map(name => join(tfjs, 'binding', name)),
    ...['-L', join(deps, 'lib'), '-ltensorflow', '-ltensorflow_framework', '-Wl,-rpath,$ORIGIN/../../deps/lib'],
    ...['-o', join(to, 'tfjs_binding.node')],
  ];
  await runInstaller(compiler, args, folder);
}

/** The names the linker asks for. The library itself keeps the name that is written in it. */
async function nameLibraries(folder: string): Promise<void> {
  const links = {
    'libtensorflow.so': 'libtensorflow_cc.so.2',
    'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
  };
  for (const [link, library] of Object.entries(links)) {
    if (!existsSync(join(folder, link))) await symlink(library, join(folder, link));
  }
}
