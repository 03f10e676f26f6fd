/** Writes arrays one behind the other into one file, each from a multiple of 8 on, and says where they lie. */
import { open } from 'node:fs/promises';
import { endianness } from 'node:os';
import type { Section, SectionType } from '../protocol/prepared.ts';
import { writeError } from './atomicFile.ts';

export type SectionArray = Int32Array | Uint8Array | BigInt64Array | Float64Array;

const alignment = 8;

export async function writeSections(
  file: string,
  arrays: Record<string, SectionArray>,
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
        sections[name] = { dtype: typeOf(array), offset: bytes + padding, length: array.length };
        await handle.writeFile(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
        bytes += padding + array.byteLength;
      }
      const { size } = await handle.stat();
      if (size !== bytes) throw new Error(`only ${size} of ${bytes} bytes were written`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw writeError(file, cause);
  }
  return { bytes, sections };
}

function typeOf(array: SectionArray): SectionType {
  if (array instanceof Int32Array) return 'int32';
  if (array instanceof Uint8Array) return 'uint8';
  return array instanceof Float64Array ? 'float64' : 'int64';
}
