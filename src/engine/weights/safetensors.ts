/**
 * Reads and writes safetensors files: 8 bytes of header length, a JSON header, then raw little-endian tensors. Every
 * size and offset is checked against the file before a byte is used. Knows nothing of models or of sharded folders.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../../runs/safeFile.ts';
import { EngineError } from '../engineError.ts';
import { bytesPerFloat, type FloatDtype, narrow, widen } from './float.ts';

export interface TensorInfo {
  name: string;
  dtype: FloatDtype;
  shape: number[];
  /** Byte range in the file. */
  start: number;
  end: number;
}

/** The format's own limit on its header. */
const maxHeaderBytes = 100_000_000;
const dtypes: Record<string, FloatDtype> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
const dtypeNames: Record<FloatDtype, string> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };

export class SafetensorsFile {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Record<string, string>;
  private readonly handle: FileHandle;

  private constructor(file: string, handle: FileHandle, header: Header) {
    this.file = file;
    this.handle = handle;
    this.tensors = header.tensors;
    this.metadata = header.metadata;
  }

  /** Opens and checks the header. Throws `weights-missing` or `weights-broken`. */
  static async open(file: string): Promise<SafetensorsFile> {
    const handle = await open(file, 'r').catch(cause => {
      throw new EngineError('weights-missing', `Cannot open ${file}: ${(cause as Error).message}`, { file, cause });
    });
    try {
      return new SafetensorsFile(file, handle, await readHeader(file, handle));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The tensor widened to f32. Throws `weights-broken` when it is not there, `weights-not-finite` for NaN or infinity. */
  async read(name: string): Promise<Float32Array> {
    const info = this.tensors.get(name);
    if (!info) throw broken(this.file, `has no tensor ${name}`);
    const bytes = new Uint8Array(info.end - info.start);
    const { bytesRead } = await this.handle.read(bytes, 0, bytes.length, info.start);
    if (bytesRead !== bytes.length) throw broken(this.file, `ends inside tensor ${name}`);
    const values = widen(bytes, info.dtype);
    const at = values.findIndex(value => !Number.isFinite(value));
    if (at >= 0) {
      throw new EngineError('weights-not-finite', `Tensor ${name} holds ${values[at]} at element ${at}`, {
        file: this.file,
        remedy: 'The file was written by a run that diverged, or is damaged: use an earlier checkpoint.',
      });
    }
    return values;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

interface Header {
  tensors: Map<string, TensorInfo>;
  metadata: Record<string, string>;
}

async function readHeader(file: string, handle: FileHandle): Promise<Header> {
  const { size } = await handle.stat();
  const prefix = Buffer.alloc(8);
  if ((await handle.read(prefix, 0, 8, 0)).bytesRead < 8) throw broken(file, 'is too short for a safetensors file');
  if (prefix.toString('latin1') === 'version ') {
    const message = `${file} is the pointer that Git LFS left in place of the weights`;
    throw new EngineError('weights-broken', message, { file, remedy: 'Fetch them: git lfs pull.' });
  }
  const length = Number(prefix.readBigUInt64LE());
  if (length > maxHeaderBytes || 8 + length > size) {
    throw broken(file, `promises a header of ${length} bytes but has ${size} bytes in all`);
  }
  const bytes = Buffer.alloc(length);
  await handle.read(bytes, 0, length, 8);
  return parseHeader(file, bytes.toString('utf8'), 8 + length, size);
}

function parseHeader(file: string, text: string, dataStart: number, size: number): Header {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw broken(file, 'has a header that is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null) throw broken(file, 'has a header that is not an object');
  const { __metadata__: metadata = {}, ...entries } = parsed as Record<string, unknown>;
  const infos = Object.entries(entries).map(([name, entry]) => tensorInfo(file, name, entry, dataStart));
  checkRanges(file, infos, dataStart, size);
  return { tensors: new Map(infos.map(info => [info.name, info])), metadata: metadata as Record<string, string> };
}

function tensorInfo(file: string, name: string, entry: unknown, dataStart: number): TensorInfo {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const known = typeof dtype === 'string' ? dtypes[dtype] : undefined;
  if (!known) throw broken(file, `holds ${name} as ${String(dtype)}; readable are F32, F16 and BF16`);
  if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
    throw broken(file, `describes ${name} without a shape or without offsets`);
  }
  const [from, to] = offsets as [number, number];
  const bytes = shape.reduce((product, n) => product * n, bytesPerFloat[known]);
  if (to - from !== bytes) throw broken(file, `gives ${name} ${to - from} bytes, its shape [${shape}] needs ${bytes}`);
  return { name, dtype: known, shape, start: dataStart + from, end: dataStart + to };
}

function checkRanges(file: string, infos: TensorInfo[], dataStart: number, size: number): void {
  let end = dataStart;
  for (const info of [...infos].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (info.start !== end) throw broken(file, `has a gap or an overlap before tensor ${info.name}`);
    end = info.end;
  }
  if (end > size) throw broken(file, `is truncated: ${size} bytes of ${end}`);
  if (end < size) throw broken(file, `has ${size - end} bytes that belong to no tensor`);
}

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(n => Number.isSafeInteger(n) && n >= 0);

const broken = (file: string, what: string) =>
  new EngineError('weights-broken', `${file} ${what}`, { file, remedy: 'Download or export the file again.' });

/**
 * Writes a file whole or not at all: a temporary file beside it, fsync, one rename. Tensors are written in the order
 * given and taken one at a time, so that a big model is never held twice. Returns the file's size in bytes.
 */
export async function writeSafetensors(
  file: string,
  infos: { name: string; shape: number[]; dtype: FloatDtype }[],
  data: (name: string) => Float32Array | Promise<Float32Array>,
  metadata: Record<string, string> = {},
): Promise<number> {
  const header = encodeHeader(infos, metadata);
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'w');
    let size = 0;
    try {
      size += await writeAll(handle, header);
      for (const { name, dtype } of infos) size += await writeAll(handle, narrow(await data(name), dtype));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(dirname(file));
    return size;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function encodeHeader(infos: { name: string; shape: number[]; dtype: FloatDtype }[], metadata: Record<string, string>) {
  let offset = 0;
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  for (const { name, shape, dtype } of infos) {
    const end = offset + shape.reduce((product, n) => product * n, bytesPerFloat[dtype]);
    entries[name] = { dtype: dtypeNames[dtype], shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(entries));
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, 8);
  return header;
}

/** A write call may be short without an error, on a full disk for instance: loop until all of it is there. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<number> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written);
    if (bytesWritten === 0) throw new Error('the disk took no more bytes');
    written += bytesWritten;
  }
  return written;
}
