/**
 * Writes arrays one behind the other into one file, each from a multiple of 8 on, and says where they lie. What does not fit
 * into memory is written piece by piece.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import type { Section, SectionType } from '../protocol/prepared.ts';
import { writeError } from './atomicFile.ts';
import { EngineError } from './engineError.ts';

export type SectionArray = Int32Array | Uint8Array | BigInt64Array | Float64Array;

/** An array that is never whole. */
export interface SectionPieces {
  type: SectionType;
  pieces: Iterable<SectionArray>;
}

const alignment = 8;
/** Bytes a write call: pieces can be of a few numbers. */
const blockSize = 2 ** 20;

export async function writeSections(
  file: string,
  arrays: Record<string, SectionArray | SectionPieces>,
): Promise<{ bytes: number; sections: Record<string, Section> }> {
  if (endianness() !== 'LE') throw new Error('Prepared data are written on little-endian machines only');
  const sections: Record<string, Section> = {};
  let bytes = 0;
  try {
    const handle = await open(file, 'w');
    try {
      for (const [name, array] of Object.entries(arrays)) {
        const padding = (alignment - (bytes % alignment)) % alignment;
        await handle.writeFile(new Uint8Array(padding));
        const { type, pieces } = 'pieces' in array ? array : { type: typeOf(array), pieces: [array] };
        const written = await writePieces(handle, pieces);
        sections[name] = { dtype: type, offset: bytes + padding, length: written / bytesPer[type] };
        bytes += padding + written;
      }
      const { size } = await handle.stat();
      if (size !== bytes) throw new Error(`only ${size} of ${bytes} bytes were written`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw cause instanceof EngineError ? cause : writeError(file, cause);
  }
  return { bytes, sections };
}

/** How many bytes it took. */
async function writePieces(handle: FileHandle, pieces: Iterable<SectionArray>): Promise<number> {
  let written = 0;
  let block: Uint8Array[] = [];
  let waiting = 0;
  const flush = async (): Promise<void> => {
    await handle.writeFile(Buffer.concat(block));
    written += waiting;
    [block, waiting] = [[], 0];
  };
  for (const piece of pieces) {
    block.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
    waiting += piece.byteLength;
    if (waiting >= blockSize) await flush();
  }
  await flush();
  return written;
}

const bytesPer: Record<SectionType, number> = { int32: 4, uint8: 1, int64: 8, float64: 8 };

function typeOf(array: SectionArray): SectionType {
  if (array instanceof Int32Array) return 'int32';
  if (array instanceof Uint8Array) return 'uint8';
  return array instanceof Float64Array ? 'float64' : 'int64';
}
