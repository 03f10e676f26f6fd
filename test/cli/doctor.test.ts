/** `holdfast doctor` about torch, on machines made of shell scripts: they answer as Python, venv, pip and uv would. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neededPackages } from '../../src/runs/pythonPath.ts';
import { ownHome, temporaryFolder, testEngine, testProject } from '../runs/testStore.ts';
import { type Outcome, start } from './commandLine.ts';

ownHome();
testEngine();
const posix = { skip: process.platform === 'win32' && 'the stand-ins are shell scripts' };

interface Finding {
  what: string;
  state: string;
  found: string;
  remedy?: string;
}

/** Only what stands in `path` is there. */
function doctor(words: string[], { path, home }: { path: string; home: string }): Promise<Outcome> {
  const own = { PATH: `${path}:/usr/bin:/bin`, HOME: home, HOLDFAST_HOME: home };
  const env = { ...own, HOLDFAST_PYTHON: undefined, PIP_INDEX_URL: 'somewhere' };
  return start(testProject(), ['doctor', ...words], {}, env).done;
}

const findings = ({ stdout }: Outcome): Finding[] => JSON.parse(stdout) as Finding[];
const about = (outcome: Outcome, what: string): Finding | undefined =>
  findings(outcome).find(finding => finding.what === what);

const packages = Object.fromEntries(Object.entries(neededPackages).map(([name, oldest]) => [name, `${oldest}.9`]));
const nothing = Object.fromEntries(Object.keys(packages).map(name => [name, null]));
const torchOnCpu = {
  version: '2.6.9',
  cuda: '12.4',
  devices: [],
  mps: false,
  trouble: 'driver too old',
  bitsandbytes: null,
  compiler: 'g++',
};

interface Machine {
  path: string;
  home: string;
  /** What was started with which arguments, a line each. */
  log: string;
}

/** A machine with a bare Python; its venv gets the packages when pip is asked for them, unless pip breaks off. */
function machine({ pipBreaksOff = false, uv = false, nvidia = false } = {}): Machine {
  const [path, home] = [temporaryFolder('bin'), temporaryFolder('home')];
  const log = join(path, 'log');
  const look = (has: object) => `echo '${JSON.stringify({ version: '3.11.2', packages: has })}'`;
  const inVenv = `#!/bin/sh
if [ "$1" = -m ]; then
  echo "pip $* index=$PIP_INDEX_URL" >> '${log}'; echo 'Collecting torch'
  if [ ${pipBreaksOff} = true ] && [ ! -e '${path}/tried' ]; then touch '${path}/tried'; exit 1; fi
  touch "$(dirname "$0")/filled"; exit
fi
case "$3" in
  *'import torch'*) echo '${JSON.stringify(torchOnCpu)}';;
  *) if [ -e "$(dirname "$0")/filled" ]; then ${look(packages)}; else ${look(nothing)}; fi;;
esac
`;
  const script = (name: string, text: string): void => writeFileSync(join(path, name), text, { mode: 0o755 });
  script('python-in-venv', inVenv);
  const makeVenv = `mkdir -p "$FOLDER/bin"; cp '${path}/python-in-venv' "$FOLDER/bin/python"`;
  script(
    'python3',
    `#!/bin/sh\nif [ "$1" = -m ]; then echo "venv $*" >> '${log}'; FOLDER="$3"; ${makeVenv}; exit; fi\n${look(nothing)}\n`,
  );
  if (uv) {
    script(
      'uv',
      `#!/bin/sh\necho "uv $*" >> '${log}'
if [ "$1" = venv ]; then FOLDER="$4"; ${makeVenv}; else touch "$(dirname "$4")/filled"; fi\n`,
    );
  }
  if (nvidia) script('nvidia-smi', '#!/bin/sh\necho "NVIDIA Test, 1000 MiB"\n');
  return { path, home, log };
}

const started = ({ log }: Machine): string[] => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);

test(
  'doctor says that torch is missing and by which command it comes; a run of the embedded engine needs none',
  posix,
  async () => {
    const torch = about(await doctor(['--json'], machine()), 'torch');
    assert.equal(torch?.state, 'info');
    assert.match(torch?.found ?? '', /has no torch, transformers.*the embedded engine needs none/);
    assert.match(torch?.remedy ?? '', /holdfast doctor --install torch/);
  },
);

test('doctor --install torch says where, what and how much, and installs nothing without a yes', posix, async () => {
  const bare = machine();
  const { code, stderr } = await doctor(['--install', 'torch'], bare);
  assert.equal(code, 2);
  assert.match(stderr, /torch>=2\.6.*It takes about/);
  assert.ok(stderr.includes(join(bare.home, 'torch')));
  assert.match(stderr, /pip install .*"torch>=2\.6"/, 'a shell would write into a file named =2.6');
  assert.match(stderr, /no terminal to ask on[\s\S]*--yes/);
  assert.deepEqual(started(bare), []);
});

test(
  'doctor --install torch --yes makes the environment, shows pip’s own progress, and finds it afterwards',
  posix,
  async () => {
    const bare = machine();
    const outcome = await doctor(['--install', 'torch', '--yes', '--json'], bare);
    assert.match(outcome.stderr, /Collecting torch/);
    const [venv, pip] = started(bare);
    assert.match(venv!, /^venv -m venv .*torch$/);
    assert.match(pip!, /^pip -m pip install .*torch>=2\.6.* index=somewhere$/);
    assert.match(
      about(outcome, 'python')?.found ?? '',
      /3\.11\.2 with torch 2\.6\.9, from the environment that doctor made/,
    );
    assert.equal(about(outcome, 'torch')?.found, 'torch 2.6.9 on the CPU');
    const extra = about(outcome, 'bitsandbytes');
    assert.equal(extra?.state, 'info');
    assert.match(extra?.found ?? '', /^not there; needed for adapter\.load_in_4bit and train\.optim: adamw_8bit$/);
    assert.match(extra?.remedy ?? '', /python -m pip install bitsandbytes$/);
    assert.equal(about(outcome, 'compiler')?.found, 'g++, for train.torch_compile');
  },
);

test(
  'an installation that breaks off says so, and the same command goes on with the environment it made',
  posix,
  async () => {
    const flaky = machine({ pipBreaksOff: true });
    const first = await doctor(['--install', 'torch', '--yes'], flaky);
    assert.equal(first.code, 3);
    assert.match(first.stderr, /pip install .* ended with 1[\s\S]*Run the same command again/);
    await doctor(['--install', 'torch', '--yes'], flaky);
    assert.deepEqual(
      started(flaky).map(line => line.split(' ')[0]),
      ['venv', 'pip', 'pip'],
    );
  },
);

test('where uv is, it makes the environment', posix, async () => {
  const quick = machine({ uv: true });
  const outcome = await doctor(['--install', 'torch', '--yes', '--json'], quick);
  assert.deepEqual(
    started(quick).map(line => line.split(' ').slice(0, 3).join(' ')),
    ['uv venv --python', 'uv pip install'],
  );
  assert.equal(about(outcome, 'torch')?.state, 'ok');
});

test('a GPU that torch cannot use is named with the reason and the remedy', posix, async () => {
  const withGpu = machine({ nvidia: true });
  const outcome = await doctor(['--install', 'torch', '--yes', '--json'], withGpu);
  const torch = about(outcome, 'torch');
  assert.match(torch?.found ?? '', /built for CUDA 12\.4 and cannot use the GPU: driver too old/);
  assert.match(torch?.remedy ?? '', /Update the NVIDIA driver/);
});
