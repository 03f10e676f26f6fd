/** A zip archive of a few small files, every second one packed. */
import { deflateRawSync } from 'node:zlib';

export function smallZip(files: Record<string, string>): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  Object.entries(files).forEach(([name, text], i) => {
    const whole = Buffer.from(text);
    const packed = i % 2 === 1 ? deflateRawSync(whole) : whole;
    const sizes = Buffer.alloc(18);
    sizes.writeUInt16LE(i % 2 === 1 ? 8 : 0, 0);
    sizes.writeUInt32LE(packed.length, 10);
    sizes.writeUInt32LE(whole.length, 14);
    const lengths = Buffer.alloc(4);
    lengths.writeUInt16LE(Buffer.byteLength(name));
    const local = Buffer.concat([signature(0x04034b50), Buffer.alloc(4), sizes, lengths, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    list.push(Buffer.concat([signature(0x02014b50), Buffer.alloc(6), sizes, lengths, tail, Buffer.from(name)]));
    parts.push(local);
    offset += local.length;
  });
  const whole = Buffer.concat(list);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(list.length, 6);
  end.writeUInt32LE(whole.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, whole, signature(0x06054b50), end]);
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
