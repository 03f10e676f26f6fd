/**
 * Records what a program does to the files below one folder: patches `node:fs`, `node:fs/promises` and file handles, and
 * writes each change down as an operation on numbered files and folders. A call that changes files and is not known here
 * throws, so that nothing slips by. Knows nothing of what the files mean.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';

/** A name is given to a file or folder, or (`null`) taken from the one that has it. */
export interface NameChange {
  folder: number;
  name: string;
  id: number;
  has: boolean;
}

export type Operation =
  | { kind: 'write'; file: number; at: number; bytes: Buffer }
  | { kind: 'cut'; file: number; size: number }
  /** All at once or not at all: a rename takes one name and gives another. */
  | { kind: 'names'; changes: NameChange[] }
  | { kind: 'sync'; id: number };

/** A folder's names, or a file's bytes. */
export type Node = Map<string, number> | Buffer;

type Call = (...args: never[]) => unknown;
type Patchable = Record<string, Call>;

const promises = fs.promises as unknown as Patchable;
const sync = fs as unknown as Patchable;

export class RecordedDisk {
  readonly root: string;
  /** What was there before the first operation; taken as durable. Number 0 is the root. */
  readonly base: ReadonlyMap<number, Node>;
  readonly operations: Operation[] = [];
  /** As it is now. Files are in it as numbers alone. */
  readonly #folders = new Map<number, Map<string, number>>();
  readonly #sizes = new Map<number, number>();
  readonly #open = new Map<number, { id: number; appends: boolean; at: number }>();
  readonly #originals: [Patchable, string, Call][] = [];
  /** Inside a call that is recorded as a whole. */
  #depth = 0;

  constructor(root: string) {
    this.root = resolve(root);
    const base = new Map<number, Node>();
    this.#adopt(this.root, base);
    this.base = base;
    this.#patch();
  }

  get length(): number {
    return this.operations.length;
  }

  /** The number of a file or folder, by its present name. */
  idOf(path: string): number | undefined {
    let id: number | undefined = 0;
    for (const name of this.#parts(path)) id = id === undefined ? undefined : this.#folders.get(id)?.get(name);
    return id;
  }

  isFolder(id: number): boolean {
    return this.#folders.has(id);
  }

  end(): void {
    for (const [target, name, call] of this.#originals) target[name] = call;
    syncBuiltinESMExports();
  }

  #adopt(path: string, base: Map<number, Node>): number {
    const id = base.size;
    if (!fs.lstatSync(path).isDirectory()) {
      const bytes = fs.readFileSync(path);
      base.set(id, bytes);
      this.#sizes.set(id, bytes.length);
      return id;
    }
    const names = new Map<string, number>();
    base.set(id, names);
    for (const name of fs.readdirSync(path)) names.set(name, this.#adopt(join(path, name), base));
    this.#folders.set(id, new Map(names));
    return id;
  }

  #patch(): void {
    this.#patchBoth('mkdir', (path: string) => this.#makeFolder(path));
    this.#patchBoth('rename', (from: string, to: string) => this.#rename(from, to));
    this.#patchBoth('link', (from: string, to: string) => this.#give(to, this.#known(from)));
    this.#patchBoth('rm', (path: string) => this.#remove(path));
    this.#patchBoth('unlink', (path: string) => this.#remove(path));
    this.#patchBoth('rmdir', (path: string) => this.#remove(path));
    this.#patchBoth('writeFile', (file: string | number, data: string | Uint8Array, options?: { flag?: string }) => {
      if (typeof file === 'number') return this.#write(file, bytesOf(data));
      this.#create(file, options?.flag ?? 'w');
      this.#writeAt(this.#known(file), 0, bytesOf(data));
    });
    this.#patchBoth('copyFile', (from: string, to: string) => {
      this.#create(to, 'w');
      this.#writeAt(this.#known(to), 0, this.#read(from));
    });
    this.#wrap(promises, 'open', (handle: fs.promises.FileHandle, path: string, flags?: string | number) =>
      this.#opened(handle.fd, path, flags),
    );
    this.#wrap(sync, 'openSync', (descriptor: number, path: string, flags?: string | number) =>
      this.#opened(descriptor, path, flags),
    );
    this.#wrap(sync, 'closeSync', (_: unknown, descriptor: number) => this.#open.delete(descriptor));
    this.#wrap(
      sync,
      'writeSync',
      (written: number, descriptor: number, data: string | Uint8Array, ...rest: unknown[]) =>
        this.#write(descriptor, piece(data, written, rest[0]), position(typeof data === 'string' ? rest[0] : rest[2])),
    );
    this.#wrap(sync, 'ftruncateSync', (_: unknown, descriptor: number, size = 0) => this.#cut(descriptor, size));
    for (const name of ['fsyncSync', 'fdatasyncSync']) {
      this.#wrap(sync, name, (_: unknown, descriptor: number) => this.#sync(descriptor));
    }
    this.#patchHandles();
    for (const name of ['truncate', 'appendFile', 'cp', 'symlink', 'mkdtemp']) {
      this.#refuse(promises, name);
      this.#refuse(sync, name);
      this.#refuse(sync, `${name}Sync`);
    }
    for (const name of [
      'writeFile',
      'rename',
      'unlink',
      'rm',
      'rmdir',
      'mkdir',
      'link',
      'copyFile',
      'createWriteStream',
    ]) {
      this.#refuse(sync, name);
    }
    syncBuiltinESMExports();
  }

  #patchHandles(): void {
    type Handle = fs.promises.FileHandle;
    const handles = handlePrototype as unknown as Patchable;
    const wrap = (name: string, note: (handle: Handle, result: never, ...args: never[]) => void) =>
      this.#wrap(handles, name, note as Call, true);
    wrap('write', (handle, { bytesWritten }: { bytesWritten: number }, data: string | Uint8Array, ...rest: unknown[]) =>
      this.#write(
        handle.fd,
        piece(data, bytesWritten, rest[0]),
        position(typeof data === 'string' ? rest[0] : rest[2]),
      ),
    );
    wrap('writeFile', (handle, _: unknown, data: string | Uint8Array) => this.#write(handle.fd, bytesOf(data)));
    wrap('truncate', (handle, _: unknown, size = 0) => this.#cut(handle.fd, size));
    wrap('sync', handle => this.#sync(handle.fd));
    wrap('datasync', handle => this.#sync(handle.fd));
    for (const name of ['appendFile', 'writev', 'createWriteStream']) this.#refuse(handles, name, true);
  }

  /** The call in both styles; `note` takes the call's own arguments. */
  #patchBoth(name: string, note: Call): void {
    const noted = (_: unknown, ...args: never[]) => note(...args);
    this.#wrap(promises, name, noted as Call);
    this.#wrap(sync, `${name}Sync`, noted as Call);
  }

  /** `note` hears of each call that went well: of its handle if it is a method, its result, and its arguments. */
  #wrap(target: Patchable, name: string, note: Call, isMethod = false): void {
    const original = target[name]!;
    this.#originals.push([target, name, original]);
    const disk = this;
    target[name] = function (this: unknown, ...args: never[]): unknown {
      disk.#depth += 1;
      let result: unknown;
      try {
        result = original.apply(this, args);
      } finally {
        disk.#depth -= 1;
      }
      if (disk.#depth > 0) return result;
      const told = (value: unknown) => {
        if (alwaysNoted.has(name) || disk.#isWatched(args, isMethod ? this : undefined)) {
          note(...((isMethod ? [this, value] : [value]) as never[]), ...args);
        }
        return value;
      };
      return result instanceof Promise ? result.then(told) : told(result);
    };
  }

  #refuse(target: Patchable, name: string, isMethod = false): void {
    const original = target[name];
    if (!original) return;
    this.#originals.push([target, name, original]);
    const disk = this;
    target[name] = function (this: unknown, ...args: never[]): unknown {
      if (disk.#depth === 0 && disk.#isWatched(args, isMethod ? this : undefined)) {
        throw new Error(`${name} is not recorded: teach it to RecordedDisk`);
      }
      return original.apply(this, args);
    };
  }

  /** A path below the root, or an open file that is there. */
  #isWatched(args: unknown[], subject: unknown): boolean {
    const handle = (subject as { fd?: unknown } | undefined)?.fd;
    if (typeof handle === 'number' && this.#open.has(handle)) return true;
    const [first] = args;
    if (typeof first === 'number') return this.#open.has(first);
    return args.slice(0, 2).some(path => typeof path === 'string' && this.#isBelow(path));
  }

  #isBelow(path: string): boolean {
    const full = resolve(path);
    return full === this.root || full.startsWith(this.root + sep);
  }

  #parts(path: string): string[] {
    const inside = relative(this.root, resolve(path));
    return inside === '' ? [] : inside.split(sep);
  }

  #known(path: string): number {
    const id = this.idOf(path);
    if (id === undefined) throw new Error(`${path} was made unseen`);
    return id;
  }

  #newId(): number {
    return this.#folders.size + this.#sizes.size;
  }

  #makeFolder(path: string): void {
    let at = this.root;
    for (const part of this.#parts(path)) {
      at = join(at, part);
      if (this.idOf(at) !== undefined) continue;
      const id = this.#newId();
      this.#folders.set(id, new Map());
      this.#give(at, id);
    }
  }

  #create(path: string, flags: string | number): void {
    const known = this.idOf(path);
    const empties = typeof flags === 'number' ? (flags & fs.constants.O_TRUNC) !== 0 : flags.startsWith('w');
    if (known === undefined) {
      const id = this.#newId();
      this.#sizes.set(id, 0);
      this.#give(path, id);
    } else if (empties && this.#sizes.get(known) !== 0) {
      this.#cutTo(known, 0);
    }
  }

  #opened(descriptor: number, path: string, flags: string | number = 'r'): void {
    // A number is given again once its file is closed.
    this.#open.delete(descriptor);
    if (!this.#isBelow(path)) return;
    const changes = typeof flags === 'number' ? (flags & 3) !== 0 : flags !== 'r';
    if (changes) this.#create(path, flags);
    const appends = typeof flags === 'number' ? (flags & fs.constants.O_APPEND) !== 0 : flags.startsWith('a');
    this.#open.set(descriptor, { id: this.#known(path), appends, at: 0 });
  }

  #write(descriptor: number, bytes: Buffer, at?: number): void {
    const file = this.#open.get(descriptor)!;
    const from = file.appends ? this.#sizes.get(file.id)! : (at ?? file.at);
    if (at === undefined) file.at = from + bytes.length;
    this.#writeAt(file.id, from, bytes);
  }

  #writeAt(file: number, at: number, bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#sizes.set(file, Math.max(this.#sizes.get(file)!, at + bytes.length));
    this.operations.push({ kind: 'write', file, at, bytes: Buffer.from(bytes) });
  }

  #cut(descriptor: number, size: number): void {
    this.#cutTo(this.#open.get(descriptor)!.id, size);
  }

  #cutTo(file: number, size: number): void {
    this.#sizes.set(file, size);
    this.operations.push({ kind: 'cut', file, size });
  }

  #sync(descriptor: number): void {
    this.operations.push({ kind: 'sync', id: this.#open.get(descriptor)!.id });
  }

  #give(path: string, id: number): void {
    this.#change([{ folder: this.#known(dirname(path)), name: this.#parts(path).at(-1)!, id, has: true }]);
  }

  #rename(from: string, to: string): void {
    const id = this.#known(from);
    const [taken, given] = [from, to].map(path => ({
      folder: this.#known(dirname(path)),
      name: this.#parts(path).at(-1)!,
      id,
    }));
    this.#change([
      { ...taken!, has: false },
      { ...given!, has: true },
    ]);
  }

  /** With all that is in it, from the leaves on. */
  #remove(path: string): void {
    const id = this.#isBelow(path) ? this.idOf(path) : undefined;
    if (id === undefined) return;
    for (const name of [...(this.#folders.get(id)?.keys() ?? [])]) this.#remove(join(path, name));
    this.#change([{ folder: this.#known(dirname(path)), name: this.#parts(path).at(-1)!, id, has: false }]);
  }

  #change(changes: NameChange[]): void {
    for (const { folder, name, id, has } of changes) {
      if (has) this.#folders.get(folder)!.set(name, id);
      else this.#folders.get(folder)!.delete(name);
    }
    this.operations.push({ kind: 'names', changes });
  }

  #read(path: string): Buffer {
    return fs.readFileSync(path);
  }
}

/** What is below the root is found out by what hears of it. */
const alwaysNoted: ReadonlySet<string> = new Set(['open', 'openSync', 'rm', 'rmSync']);

// Node loads its own helpers at the first removal: they are to be the unpatched ones.
await fs.promises.rm(join(fs.realpathSync('.'), 'no-such-folder'), { recursive: true, force: true });
fs.rmSync(join(fs.realpathSync('.'), 'no-such-folder'), { recursive: true, force: true });

const probe = await fs.promises.open(process.execPath, 'r');
const handlePrototype = Object.getPrototypeOf(probe) as object;
await probe.close();

const bytesOf = (data: string | Uint8Array): Buffer =>
  typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** What a write call wrote of what it was given. */
function piece(data: string | Uint8Array, written: number, offset: unknown): Buffer {
  const from = typeof data === 'string' || typeof offset !== 'number' ? 0 : offset;
  return bytesOf(data).subarray(from, from + written);
}

const position = (given: unknown): number | undefined => (typeof given === 'number' ? given : undefined);
