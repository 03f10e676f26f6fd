/** Takes files out of a zip archive without holding one in memory. Knows the plain format alone, not archives over 4 GB. */
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { RunsError } from './runsError.ts';

interface Entry {
  name: string;
  method: number;
  packedBytes: number;
  bytes: number;
  offset: number;
}

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const endBytes = 22;
const longestComment = 65_535;
const unknownSize = 0xffffffff;

/** Entries for which `placeOf` names a path below `folder` are written there. */
export async function unzip(
  archive: string,
  folder: string,
  placeOf: (name: string) => string | undefined,
): Promise<string[]> {
  const file = await open(archive);
  const written: string[] = [];
  try {
    for (const entry of await readEntries(file, archive)) {
      const place = entry.name.endsWith('/') ? undefined : placeOf(entry.name);
      if (place === undefined) continue;
      await extract(file, archive, entry, below(folder, place, archive));
      written.push(place);
    }
  } finally {
    await file.close();
  }
  return written;
}

async function readEntries(file: FileHandle, archive: string): Promise<Entry[]> {
  const { size } = await file.stat();
  const tail = await readAt(file, Math.max(0, size - endBytes - longestComment), size);
  const end = tail.lastIndexOf(Buffer.from(Uint32Array.of(endSignature).buffer));
  if (end < 0 || tail.length - end < endBytes) throw unreadable(archive, 'has no list of its files');
  const [count, bytes, start] = [tail.readUInt16LE(end + 10), tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  if (start + bytes > size) throw unreadable(archive, 'is cut off');
  const list = await readAt(file, start, start + bytes);
  const entries: Entry[] = [];
  for (let at = 0, i = 0; i < count; i++) {
    if (at + 46 > list.length || list.readUInt32LE(at) !== entrySignature)
      throw unreadable(archive, 'has a broken list');
    const [method, packedBytes, whole] = [
      list.readUInt16LE(at + 10),
      list.readUInt32LE(at + 20),
      list.readUInt32LE(at + 24),
    ];
    const [nameBytes, extra, comment] = [28, 30, 32].map(place => list.readUInt16LE(at + place)) as [
      number,
      number,
      number,
    ];
    const name = list.toString('utf8', at + 46, at + 46 + nameBytes);
    entries.push({ name, method, packedBytes, bytes: whole, offset: list.readUInt32LE(at + 42) });
    at += 46 + nameBytes + extra + comment;
  }
  return entries;
}

async function extract(file: FileHandle, archive: string, entry: Entry, to: string): Promise<void> {
  const { name, method, packedBytes, bytes, offset } = entry;
  if (![0, 8].includes(method) || packedBytes === unknownSize)
    throw unreadable(archive, `packs ${name} in an unknown way`);
  const header = await readAt(file, offset, offset + 30);
  const start = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  await mkdir(dirname(to), { recursive: true });
  const target = createWriteStream(to, { flush: true });
  if (packedBytes === 0) await new Promise<void>(resolve => target.end(resolve));
  else {
    const packed = createReadStream(archive, { start, end: start + packedBytes - 1 });
    await (method === 0 ? pipeline(packed, target) : pipeline(packed, createInflateRaw(), target));
  }
  if (target.bytesWritten !== bytes)
    throw unreadable(archive, `gives ${target.bytesWritten} of the ${bytes} bytes of ${name}`);
}

async function readAt(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const buffer = Buffer.alloc(to - from);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
  return buffer.subarray(0, bytesRead);
}

function below(folder: string, place: string, archive: string): string {
  const path = normalize(join(folder, place));
  if (path.startsWith(normalize(folder) + sep)) return path;
  throw unreadable(archive, `wants to write to ${place}`);
}

const unreadable = (archive: string, how: string): RunsError =>
  new RunsError('download-damaged', `The archive ${how}`, {
    file: archive,
    remedy: 'Remove it and download it again.',
  });
