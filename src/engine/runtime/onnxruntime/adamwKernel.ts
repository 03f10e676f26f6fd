/**
 * AdamW over one large tensor in a single pass. As nodes of onnxruntime it is a dozen passes on one thread, a sixth of a
 * training step; WebAssembly's vectors of four do it in one, with the same operations in the same order, so the bits
 * are those of lowerAdamw. Weight, gradient and moments of a tensor share one memory, which onnxruntime reads and
 * writes too.
 */

/** What one update is given, each as f32: the nodes' own scalars, with the clipping factor in both shares. */
export interface AdamwScalars {
  beta1: number;
  beta2: number;
  firstShare: number;
  secondShare: number;
  stepSize: number;
  epsilon: number;
  keep: number;
}

const scalarNames = ['beta1', 'beta2', 'firstShare', 'secondShare', 'stepSize', 'epsilon', 'keep'] as const;

/** Parts of a block, in the order in which they lie in memory. */
const parts = ['weight', 'gradient', 'first', 'second'] as const;
type Part = (typeof parts)[number];

const pageBytes = 65_536;
const vectorBytes = 16;
/** A memory of 32-bit addresses holds the four parts of this many elements. */
export const mostElements = 2 ** 28 - 4;

export class AdamwBlock {
  readonly values: Readonly<Record<Part, Float32Array>>;
  readonly #update: (end: number, ...scalars: number[]) => void;
  readonly #bytes: number;

  constructor(elements: number) {
    this.#bytes = Math.ceil((elements * 4) / vectorBytes) * vectorBytes;
    const pages = Math.ceil((parts.length * this.#bytes) / pageBytes);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const part = (name: Part) => new Float32Array(memory.buffer, parts.indexOf(name) * this.#bytes, elements);
    this.values = { weight: part('weight'), gradient: part('gradient'), first: part('first'), second: part('second') };
    const { exports } = new WebAssembly.Instance(kernelFor(this.#bytes), { js: { memory } });
    this.#update = exports.update as (end: number, ...scalars: number[]) => void;
  }

  update(scalars: AdamwScalars): void {
    this.#update(this.#bytes, ...scalarNames.map(name => scalars[name]));
  }
}

const kernels = new Map<number, WebAssembly.Module>();

/** Where the parts lie stands in the code, so there is one module a size. */
function kernelFor(bytes: number): WebAssembly.Module {
  const kernel = kernels.get(bytes) ?? new WebAssembly.Module(writeKernel(bytes));
  kernels.set(bytes, kernel);
  return kernel;
}

const i32 = 0x7f;
const f32 = 0x7d;
const v128 = 0x7b;
const end = 0x0b;

function writeKernel(partBytes: number): Uint8Array<ArrayBuffer> {
  // Locals: the end of the part, the scalars, the place, the scalars as vectors, then g, m and v.
  const endOfPart = 0;
  const place = 1 + scalarNames.length;
  const vector = Object.fromEntries(scalarNames.map((name, i) => [name, get(place + 1 + i)]));
  const [g, m, v] = [0, 1, 2].map(i => place + 1 + scalarNames.length + i) as [number, number, number];
  const at = (part: Part) => [4, ...unsigned(parts.indexOf(part) * partBytes)];
  const load = (part: Part) => [...get(place), 0xfd, 0x00, ...at(part)];
  const store = (part: Part, value: number[]) => [...get(place), ...value, 0xfd, 0x0b, ...at(part)];
  const sqrt = (a: number[]) => [...a, 0xfd, ...unsigned(0xe3)];
  const add = (a: number[], b: number[]) => [...a, ...b, 0xfd, ...unsigned(0xe4)];
  const sub = (a: number[], b: number[]) => [...a, ...b, 0xfd, ...unsigned(0xe5)];
  const mul = (a: number[], b: number[]) => [...a, ...b, 0xfd, ...unsigned(0xe6)];
  const div = (a: number[], b: number[]) => [...a, ...b, 0xfd, ...unsigned(0xe7)];

  const change = mul(div(get(m), add(sqrt(get(v)), vector.epsilon!)), vector.stepSize!);
  const body = [
    ...scalarNames.flatMap((_, i) => [...get(1 + i), 0xfd, 0x13, ...set(place + 1 + i)]),
    ...[0x03, 0x40],
    ...[...load('gradient'), ...set(g)],
    ...[...add(mul(load('first'), vector.beta1!), mul(get(g), vector.firstShare!)), ...set(m)],
    ...store('first', get(m)),
    ...[...add(mul(load('second'), vector.beta2!), mul(mul(get(g), get(g)), vector.secondShare!)), ...set(v)],
    ...store('second', get(v)),
    ...store('weight', sub(mul(load('weight'), vector.keep!), change)),
    // place += 16, again while it is below the end
    ...[...get(place), 0x41, vectorBytes, 0x6a, 0x22, place, ...get(endOfPart), 0x49, 0x0d, 0x00],
    ...[end, end],
  ];
  const locals = [2, 1, i32, scalarNames.length + 3, v128];
  const parameters = [1 + scalarNames.length, i32, ...scalarNames.map(() => f32)];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, ...parameters, 0]),
    ...section(2, [1, ...text('js'), ...text('memory'), 0x02, 0x00, 0x00]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('update'), 0x00, 0x00]),
    ...section(10, [1, ...sized([...locals, ...body])]),
  ]);
}

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const sized = (bytes: number[]): number[] => [...unsigned(bytes.length), ...bytes];
const section = (id: number, bytes: number[]): number[] => [id, ...sized(bytes)];
const text = (word: string): number[] => sized([...Buffer.from(word)]);

/** LEB128 */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [128 + (value % 128), ...unsigned(Math.floor(value / 128))];
}
