/** What was measured several times, as one number and in words. Knows nothing of what was measured. */

export function median(numbers: readonly number[]): number {
  return ascending(numbers)[Math.floor(numbers.length / 2)]!;
}

/** The median, and the range in brackets. */
export function spread(numbers: readonly number[], text: (x: number) => string): string {
  const sorted = ascending(numbers);
  return `${text(median(numbers))} (${text(sorted[0]!)}-${text(sorted.at(-1)!)})`;
}

function ascending(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}
