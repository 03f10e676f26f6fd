/** Which words of two answers differ: the longest common subsequence of words stays unmarked. Pure. */
export interface Piece {
  text: string;
  changed: boolean;
}

/** Beyond this the table below grows too large for a page; such answers are shown unmarked. */
const maxWords = 600;

export function changedWords(base: string, tuned: string): { base: Piece[]; tuned: Piece[] } {
  const a = base.match(/\s+|\S+/g) ?? [];
  const b = tuned.match(/\s+|\S+/g) ?? [];
  if (a.length > maxWords || b.length > maxWords) {
    return { base: [{ text: base, changed: false }], tuned: [{ text: tuned, changed: false }] };
  }
  const inCommon = commonWords(a, b);
  return { base: pieces(a, inCommon.a), tuned: pieces(b, inCommon.b) };
}

function commonWords(a: string[], b: string[]): { a: Set<number>; b: Set<number> } {
  const width = b.length + 1;
  const length = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      length[i * width + j] =
        a[i] === b[j]
          ? length[(i + 1) * width + j + 1]! + 1
          : Math.max(length[(i + 1) * width + j]!, length[i * width + j + 1]!);
    }
  }
  const common = { a: new Set<number>(), b: new Set<number>() };
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      common.a.add(i++);
      common.b.add(j++);
    } else if (length[(i + 1) * width + j]! >= length[i * width + j + 1]!) i++;
    else j++;
  }
  return common;
}

function pieces(words: string[], common: Set<number>): Piece[] {
  const out: Piece[] = [];
  words.forEach((text, index) => {
    const changed = !common.has(index) && text.trim() !== '';
    const before = out.at(-1);
    if (before && (before.changed === changed || text.trim() === '')) before.text += text;
    else out.push({ text, changed });
  });
  return out;
}
