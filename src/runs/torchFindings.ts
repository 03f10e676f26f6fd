/**
 * What the torch engine would find on this machine: a Python that will do, and what its torch can compute on. Loads
 * torch, which takes seconds; a run does not ask this.
 */
import * as z from 'zod';
import { choosePython, type PythonChoice, type PythonWish, runPython } from './pythonPath.ts';
import { RunsError } from './runsError.ts';

export interface TorchFound {
  python: PythonChoice;
  /** In words: "torch 2.9.1 on NVIDIA L4 (CUDA 12.8)". */
  found: string;
  /** What only some settings need. */
  extras: { what: string; found: string | null; for: string; remedy: string }[];
  /** Why a GPU that is there cannot be used, with what to do. */
  trouble?: { what: string; remedy: string };
}

const answerSchema = z.object({
  version: z.string(),
  /** CUDA that torch was built for. */
  cuda: z.string().nullable(),
  devices: z.array(z.string()),
  mps: z.boolean(),
  trouble: z.string().nullable(),
  bitsandbytes: z.string().nullable(),
  /** What torch.compile would build with: Triton on a GPU, else a C++ compiler. */
  compiler: z.string().nullable(),
});

const loadMs = 180_000;

const program = `import sys
sys.path.pop(0)
import json, warnings
import importlib.metadata as metadata
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import torch
    available = torch.cuda.is_available()
trouble = str(caught[-1].message) if caught and not available else None
devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if available else []
mps = getattr(torch.backends, "mps", None)
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
def compiler():
    if available:
        triton = version("triton") or version("triton-windows")
        return triton and "triton " + triton
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler
        return get_cpp_compiler()
    except Exception:
        return None
print(json.dumps({
    "version": torch.__version__,
    "cuda": torch.version.cuda,
    "devices": devices,
    "mps": bool(mps and mps.is_available()),
    "trouble": trouble,
    "bitsandbytes": version("bitsandbytes"),
    "compiler": compiler(),
}))`;

/** Throws as `choosePython` does, or when torch is there and does not load. */
export async function findTorch(wish: PythonWish, hasNvidia: boolean): Promise<TorchFound> {
  const python = await choosePython(wish);
  const answer = answerSchema.parse(JSON.parse(await load(python.path)));
  const { version, cuda, devices, mps } = answer;
  const on = devices.length > 0 ? `${devices.join(', ')} (CUDA ${cuda})` : mps ? 'the GPU of this Mac' : 'the CPU';
  const found = `torch ${version} on ${on}`;
  const extras = extrasOf(python.path, answer);
  if (!hasNvidia || devices.length > 0) return { python, found, extras };
  return { python, found, extras, trouble: troubleOf(python.path, answer) };
}

function extrasOf(
  path: string,
  { bitsandbytes, compiler, devices }: z.infer<typeof answerSchema>,
): TorchFound['extras'] {
  const install = (name: string): string => `${path} -m pip install ${name}`;
  return [
    {
      what: 'bitsandbytes',
      found: bitsandbytes,
      for: 'adapter.load_in_4bit and train.optim: adamw_8bit',
      remedy: install('bitsandbytes'),
    },
    {
      what: 'compiler',
      found: compiler,
      for: 'train.torch_compile',
      remedy: devices.length > 0 ? install('triton') : compilerRemedy,
    },
  ];
}

const compilerRemedies: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'Install one: apt install g++, or dnf install gcc-c++.',
  darwin: 'Install one: xcode-select --install',
  win32: 'Install the Build Tools for Visual Studio with C++.',
};
const compilerRemedy = compilerRemedies[process.platform] ?? 'Install a C++ compiler.';

async function load(path: string): Promise<string> {
  try {
    return await runPython(path, ['-c', program], loadMs);
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim().split('\n').at(-1);
    throw new RunsError('torch-broken', `torch does not load in ${path}: ${said || (cause as Error).message}`, {
      file: path,
      remedy: `Install it again: ${path} -m pip install --force-reinstall torch`,
    });
  }
}

function troubleOf(path: string, { version, cuda, trouble }: z.infer<typeof answerSchema>): TorchFound['trouble'] {
  if (cuda === null) {
    const remedy = `Install a torch with CUDA there: ${path} -m pip install --force-reinstall torch`;
    return { what: `there is an NVIDIA GPU, but torch ${version} was built for the CPU alone`, remedy };
  }
  const why = trouble ?? 'the driver does not answer';
  const remedy = `Update the NVIDIA driver, or install a torch for an older CUDA than ${cuda}.`;
  return { what: `torch ${version} was built for CUDA ${cuda} and cannot use the GPU: ${why}`, remedy };
}
