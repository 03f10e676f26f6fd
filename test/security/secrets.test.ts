/**
 * Tokens of the user that lie about while a run is made: in the environment, in changed files, in what a trainer prints.
 * None of them gets into a child's environment or arguments, the store, the home folder or an answer of the command line.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gitState } from '../../src/runs/gitState.ts';
import { redact } from '../../src/runs/redact.ts';
import { fakeTrainerProgram } from '../protocol/fakeTrainerProgram.ts';
import { ownHome, temporaryFolder, testEngine, testProject, until } from '../runs/testStore.ts';

const home = ownHome();
const letters = (count: number) => randomBytes(count).toString('hex').slice(0, count);

/** What could be in the environment of an editor or a terminal. */
const planted: Record<string, string> = {
  HF_TOKEN: `hf_${letters(34)}`,
  HUGGING_FACE_HUB_TOKEN: `hf_${letters(34)}`,
  OPENAI_API_KEY: `sk-proj-${letters(40)}`,
  GITHUB_TOKEN: `ghp_${letters(36)}`,
  AWS_ACCESS_KEY_ID: `AKIA${letters(16).toUpperCase()}`,
  AWS_SECRET_ACCESS_KEY: letters(40),
  WANDB_API_KEY: letters(40),
  NPM_TOKEN: `npm_${letters(36)}`,
  DATABASE_PASSWORD: letters(24),
  SOMEBODYS_SECRET: letters(24),
};
/** In files alone, known by their form. */
const written = {
  config: `hf_${letters(34)}`,
  dotenv: letters(30),
  printed: `hf_${letters(34)}`,
  said: `sk-${letters(48)}`,
};
const canaries = [...Object.values(planted), ...Object.values(written)];

test('planted tokens are found nowhere after a run', async t => {
  if (process.platform === 'win32') return t.skip('environments of other processes cannot be read on Windows');
  const project = gitProject();
  const seen = temporaryFolder('seen');
  const child = spawn(process.execPath, [join(testEngine(), 'cli.cjs'), 'run', 'test.tune.yaml', '--json'], {
    cwd: project.folder,
    env: { ...process.env, ...planted, HOLDFAST_TRAINER: JSON.stringify(chattyTrainer(seen)) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', chunk => {
    said += chunk;
  });
  child.stderr.on('data', chunk => {
    said += chunk;
  });
  const over = new Promise(resolve => child.once('close', resolve));
  const trainer = Number(await until('the trainer', () => readdirSync(seen)[0]));
  const children = programsBelow(child.pid!);
  assert.ok(children.includes(trainer), `the trainer ${trainer} is among ${children}`);
  const inProcesses = children.flatMap(pid => [readProc(pid, 'environ'), readProc(pid, 'cmdline')]);
  const own = readProc(child.pid!, 'cmdline');
  writeFileSync(join(seen, 'go'), '');
  await over;
  // The runner sets the queue in order before it leaves.
  await until('the end of all', () => children.every(pid => readProc(pid, 'cmdline') === ''));

  assert.ok(said.includes('trainer says goodbye'), said);
  const files = [...filesBelow(project.store.folder), ...filesBelow(home)];
  const logs = ['show', 'logs'].map(word => answer(project.folder, [word, 'last', '--json']));
  const printed = answer(project.folder, ['logs', 'last', '--printed']);
  assert.match(printed, /token is \[left out\]/);
  const places: [string, string][] = [
    ...files.map((file): [string, string] => [file, readFileSync(file, 'latin1')]),
    ...[...inProcesses, own].map((text): [string, string] => ['a process', text]),
    ['what the command said', said],
    ...[...logs, printed].map((text): [string, string] => ['an answer', text]),
  ];
  const found = places.flatMap(([place, text]) =>
    canaries.filter(canary => text.includes(canary)).map(canary => `${nameOf(canary)} in ${place}`),
  );
  assert.deepEqual(found, []);
  t.diagnostic(
    `C8 ${canaries.length} planted tokens: ${found.length} found in ${files.length} files, ${children.length} processes and 4 answers`,
  );
});

test('a change that holds a token is kept without it, and files that look like secrets are named alone', async () => {
  const { folder } = gitProject();
  const state = await gitState(folder, 60_000);
  assert.ok(state);
  assert.match(state.diff, /\+token = "\[left out\]"/);
  assert.deepEqual(state.leftOut, ['.env']);
});

test('a token is taken out wherever it stands, and nothing else is', () => {
  const token = `hf_${letters(34)}`;
  assert.equal(redact(`"${token}"`), '"[left out]"');
  assert.equal(redact(`https://user:${token}@huggingface.co`), 'https://user:[left out]@huggingface.co');
  const key = '-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----';
  assert.equal(redact(`a\n${key}\nb`), 'a\n[left out]\nb');
  for (const honest of [
    'hf_hub_download(repo_id="HuggingFaceTB/SmolLM2-135M")',
    'sk-learn, ghp, npm_config_registry, AKIA',
    'commit 5e037763a1f2b3c4d5e6f7a8b9c0d1e2f3a4b5c6',
    'tokens 123456, token: 12, tokenizer.json',
  ])
    assert.equal(redact(honest), honest);
});

/** A repository with changes that nobody committed. */
function gitProject() {
  const project = testProject();
  const git = (...args: string[]) => execFileSync('git', ['-C', project.folder, ...args], { stdio: 'pipe' });
  const write = (name: string, text: string) => writeFileSync(join(project.folder, name), text);
  git('init', '-q');
  write('.env', 'A=1\n');
  write('config.py', 'token = ""\n');
  git('add', '-A');
  git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '-m', 'x');
  write('.env', `A=${written.dotenv}\n`);
  write('config.py', `token = "${written.config}"\nsecret = "${planted.SOMEBODYS_SECRET}"\n`);
  return project;
}

/** Says its pid, waits, prints a token in two pieces and its whole environment, then fails with a token in its words. */
function chattyTrainer(seen: string): string[] {
  const file = join(temporaryFolder('chatty'), 'trainer.cjs');
  const secret = JSON.stringify(written.printed);
  const says = JSON.stringify(`trainer says goodbye with ${written.said}`);
  writeFileSync(
    file,
    `const { existsSync, writeFileSync } = require('node:fs');
     writeFileSync(${JSON.stringify(`${seen}/`)} + process.pid, '');
     process.stdout.write(JSON.stringify({ type: 'hello', protocol: 1, engine: 'chatty', numerics: '1' }) + '\\n');
     const wait = setInterval(() => {
       if (!existsSync(${JSON.stringify(join(seen, 'go'))})) return;
       clearInterval(wait);
       process.stderr.write(JSON.stringify(process.env) + '\\n');
       process.stderr.write('the token is ' + ${secret}.slice(0, 9));
       setTimeout(() => {
         process.stderr.write(${secret}.slice(9) + ' thanks\\n');
         process.stdout.write('garbage ' + ${secret} + '\\n');
         process.stdout.write(JSON.stringify({ type: 'failed', code: 'x', message: ${says} }) + '\\n');
         process.exitCode = 1;
         process.stdin.destroy();
       }, 50);
     }, 20);
     process.stdin.resume();`,
  );
  assert.ok(fakeTrainerProgram());
  return [file];
}

function programsBelow(root: number): number[] {
  const parents = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(name => [Number(name), Number(/\) \S (\d+)/.exec(readProc(Number(name), 'stat'))?.[1])] as const);
  const found = [root];
  for (const pid of found) found.push(...parents.filter(([, parent]) => parent === pid).map(([child]) => child));
  return found.slice(1);
}

function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}

function filesBelow(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .map(name => join(folder, name))
    .filter(file => statSync(file).isFile());
}

function answer(cwd: string, words: string[]): string {
  return execFileSync(process.execPath, [join(testEngine(), 'cli.cjs'), ...words], { cwd, encoding: 'utf8' });
}

const nameOf = (canary: string): string =>
  Object.entries({ ...planted, ...written }).find(([, value]) => value === canary)?.[0] ?? '';
