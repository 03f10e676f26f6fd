/**
 * Half-precision numbers as bits, both ways. Rounding is to nearest, ties to even, as every framework does it.
 * bf16 keeps f32's exponent; f16 overflows to infinity above 65504.
 */

export type FloatDtype = 'f32' | 'f16' | 'bf16';

export const bytesPerFloat: Record<FloatDtype, number> = { f32: 4, f16: 2, bf16: 2 };

/** Widens (n) stored numbers to f32. `bytes` is little-endian and holds n · bytesPerFloat[dtype] bytes. */
export function widen(bytes: Uint8Array, dtype: FloatDtype): Float32Array {
  if (dtype === 'f32') return new Float32Array(aligned(bytes, 4));
  const halves = new Uint16Array(aligned(bytes, 2));
  return dtype === 'bf16' ? widenBf16(halves) : widenF16(halves);
}

/** Stores (n) numbers in `dtype`, little-endian. */
export function narrow(values: Float32Array, dtype: FloatDtype): Uint8Array {
  if (dtype === 'f32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const halves = dtype === 'bf16' ? narrowBf16(values) : narrowF16(values);
  return new Uint8Array(halves.buffer);
}

/** What reading back gives after storing in `dtype`. */
export function roundTo(values: Float32Array, dtype: FloatDtype): Float32Array {
  return dtype === 'f32' ? values : widen(narrow(values, dtype), dtype);
}

/** A typed array needs an aligned start, and a slice of a file rarely has one. */
function aligned(bytes: Uint8Array, size: number): ArrayBuffer {
  const whole = bytes.buffer as ArrayBuffer;
  const end = bytes.byteOffset + bytes.byteLength;
  if (bytes.byteOffset === 0 && end === whole.byteLength && bytes.byteLength % size === 0) return whole;
  return whole.slice(bytes.byteOffset, end);
}

function widenBf16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

function narrowBf16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    const isNan = (b & 0x7fffffff) > 0x7f800000;
    halves[i] = isNan ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return halves;
}

const f16Table = new Float32Array(0x10000);
let isTableFilled = false;

function widenF16(halves: Uint16Array): Float32Array {
  if (!isTableFilled) {
    for (let h = 0; h < 0x10000; h++) f16Table[h] = f16Value(h);
    isTableFilled = true;
  }
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = f16Table[halves[i]!]!;
  return out;
}

function f16Value(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function narrowF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) halves[i] = f16Bits(bits[i]!);
  return halves;
}

function f16Bits(b: number): number {
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && kept & 1) ? 1 : 0));
}
