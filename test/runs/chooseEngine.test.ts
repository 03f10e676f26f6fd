import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { test } from 'node:test';
import { childEnvironment } from '../../src/runs/childEnvironment.ts';
import { chooseEngine } from '../../src/runs/chooseEngine.ts';
import { choosePython, isOlder, neededPackages, ownPython } from '../../src/runs/pythonPath.ts';
import { trainerProgram } from '../../src/runs/trainerProgram.ts';
import { ownHome, temporaryFolder } from './testStore.ts';

ownHome();
const posix = { skip: process.platform === 'win32' && 'the stand-ins for Python are shell scripts' };

const retain = { base: 'm', probes: {}, prompts: [] };
const here = { recipeFile: '/project/test.tune.yaml' };
const whole = Object.fromEntries(Object.entries(neededPackages).map(([name, oldest]) => [name, `${oldest}.9`]));

/** A program that answers as a Python would. */
function fakePython(
  answer: { version: string; packages: object } | 'fails',
  folder = temporaryFolder('python'),
): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'python3');
  const lines = answer === 'fails' ? 'exit 1' : `cat <<'END'\n${JSON.stringify(answer)}\nEND`;
  writeFileSync(path, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  return path;
}

function onPath<T>(folders: string[], look: () => Promise<T>): Promise<T> {
  const before = process.env.PATH;
  process.env.PATH = [...folders, '/usr/bin', '/bin'].join(delimiter);
  return look().finally(() => {
    process.env.PATH = before;
  });
}

const modelWith = (config: object): Record<string, string> => {
  const folder = temporaryFolder('model');
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return { m: folder };
};

test('auto takes the embedded engine where it computes the model, and says why', async () => {
  const paths = modelWith({ architectures: ['LlamaForCausalLM'] });
  const { python, reason } = await chooseEngine({ engine: 'auto', model: 'm', retain }, paths, here);
  assert.equal(python, undefined);
  assert.match(reason, /embedded engine.*needs nothing installed/);
});

test(
  'auto takes torch for a model that the embedded engine cannot compute, and names what it lacks',
  posix,
  async () => {
    const setting = fakePython({ version: '3.11.4', packages: whole });
    const paths = modelWith({ architectures: ['BloomForCausalLM'] });
    const found = await chooseEngine({ engine: 'auto', model: 'm', retain }, paths, {
      ...here,
      pythonWish: { setting },
    });
    assert.match(found.reason, /torch engine: .*BloomForCausalLM is not supported/);
    assert.match(found.python?.reason ?? '', /^Python 3\.11\.4 with torch 2\.6\.9, from holdfast\.python$/);
  },
);

test(
  'a base that the embedded engine cannot compute needs torch too: an adapter has no config.json',
  posix,
  async () => {
    const setting = fakePython({ version: '3.11.4', packages: whole });
    const paths = { adapter: temporaryFolder('adapter'), ...modelWith({ architectures: ['BloomForCausalLM'] }) };
    const found = await chooseEngine({ engine: 'auto', model: 'adapter', retain }, paths, {
      ...here,
      pythonWish: { setting },
    });
    assert.ok(found.python);
  },
);

test('a config.json that cannot be read is left to the embedded engine, which says what is wrong with it', async () => {
  const folder = temporaryFolder('model');
  writeFileSync(join(folder, 'config.json'), '{"architectures": [');
  assert.equal((await chooseEngine({ engine: 'auto', model: 'm', retain }, { m: folder }, here)).python, undefined);
  assert.equal((await chooseEngine({ engine: 'auto', model: 'm', retain }, { m: '/nowhere' }, here)).python, undefined);
});

const refusals: [string, Parameters<typeof fakePython>[0], string, RegExp, RegExp][] = [
  ['does not run', 'fails', 'python-unusable', /does not run/, /holdfast doctor --install torch/],
  ['is too old', { version: '3.9.18', packages: whole }, 'python-too-old', /3\.9\.18; 3\.10 or newer/, /newer one/],
  [
    'has no torch',
    { version: '3.12.1', packages: { ...whole, torch: null, peft: null } },
    'torch-missing',
    /has no torch, peft/,
    /-m pip install torch peft/,
  ],
  [
    'has an old torch',
    { version: '3.12.1', packages: { ...whole, torch: '2.1.0+cu118' } },
    'torch-too-old',
    /torch 2\.1\.0\+cu118 \(2\.6 or newer/,
    /--upgrade torch/,
  ],
];
for (const [what, answer, code, words, remedy] of refusals) {
  test(`a Python that ${what} is refused with its place and the command that mends it`, posix, async () => {
    const setting = fakePython(answer);
    await assert.rejects(
      chooseEngine({ engine: 'torch', model: 'm', retain }, {}, { ...here, pythonWish: { setting } }),
      error => {
        const { message, remedy: said, file } = error as { message: string; remedy: string; file: string };
        assert.equal((error as { code: string }).code, code);
        assert.match(message, words);
        assert.match(said, remedy);
        assert.equal(file, setting);
        return true;
      },
    );
  });
}

test('without any Python that is said, and how to come by one', posix, async () => {
  const before = process.env.PATH;
  process.env.PATH = temporaryFolder('empty');
  try {
    await assert.rejects(choosePython(), { code: 'python-missing', message: /no Python on PATH/ });
  } finally {
    process.env.PATH = before;
  }
});

test(
  'the editor’s environment comes before the one that doctor made, that before PATH; one that will not do is passed over',
  posix,
  async () => {
    const good = (version: string) => ({ version, packages: whole });
    const ofEditor = fakePython(good('3.10.1'));
    const path = temporaryFolder('bin');
    fakePython(good('3.10.3'), path);
    const chosen = (wish: { ofEditor?: string }) => onPath([path], async () => (await choosePython(wish)).reason);
    assert.match(await chosen({}), /3\.10\.3 .* from PATH/);
    fakePython(good('3.10.2'), join(ownPython(), '..'));
    writeFileSync(ownPython(), `#!/bin/sh\necho '${JSON.stringify(good('3.10.2'))}'\n`, { mode: 0o755 });
    assert.match(await chosen({}), /3\.10\.2 .* that doctor made/);
    assert.match(await chosen({ ofEditor }), /3\.10\.1 .* the editor's/);
    assert.match(await chosen({ ofEditor: fakePython('fails') }), /3\.10\.2 .* that doctor made/);
  },
);

test('the torch engine is started by its file, without what the environment would add to Python', () => {
  const node = { path: '/node', env: {}, reason: 'test' };
  const python = { path: '/python', reason: 'Python 3.11' };
  const program = trainerProgram({ node, engineFolder: '/engine', python });
  assert.deepEqual(program.args, ['-E', '-u', join('/engine', 'torch_engine', '__main__.py')]);
  assert.equal(program.tool.env.HF_HUB_OFFLINE, '1');
  assert.ok(program.needsPrepared);
  assert.ok(!trainerProgram({ node, engineFolder: '/engine' }).needsPrepared);
  const passed = childEnvironment({ PYTHONPATH: 'x', PYTHONSTARTUP: 'x', CUDA_VISIBLE_DEVICES: '1', HF_TOKEN: 'x' });
  assert.deepEqual(passed, { CUDA_VISIBLE_DEVICES: '1' });
});

test('a program of the recipe is taken only word for word as it was agreed to, and started beside the recipe', async () => {
  const recipe = { engine: 'auto' as const, model: 'm', retain, command: ['python', 'train.py', '--name', 'a b'] };
  for (const agreedCommand of [undefined, ['python', 'train.py'], ['python', 'train.py', '--name', 'a', 'b']]) {
    await assert.rejects(chooseEngine(recipe, {}, { ...here, agreedCommand }), {
      code: 'command-not-agreed',
      message: 'This recipe starts a program: python train.py --name "a b"',
    });
  }
  const { command } = await chooseEngine(recipe, {}, { ...here, agreedCommand: [...recipe.command] });
  assert.deepEqual(command, { words: recipe.command, folder: resolve('/project') });
  const node = { path: '/node', env: {}, reason: 'test' };
  const { args, needsPrepared } = trainerProgram({ node, engineFolder: '/engine', command });
  assert.deepEqual(args, [join('/engine', 'command.cjs'), resolve('/project'), ...recipe.command]);
  assert.ok(needsPrepared);
});

test('versions are compared by their numbers', () => {
  for (const [version, than, older] of [
    ['2.6.0', '2.6', false],
    ['2.10.0+cpu', '2.6', false],
    ['2.5.1', '2.6', true],
    ['3.9.18', '3.10', true],
    ['0.4', '0.4.3', true],
    ['5.0.0.dev0', '4.50', false],
  ] as const) {
    assert.equal(isOlder(version, than), older, `${version} < ${than}`);
  }
});
