/** Rows in the order of one column; what has no value comes last in both directions. Pure. */
export type Key = number | string | null;
export interface Order {
  column: string;
  descending: boolean;
}

export function sorted<T>(rows: readonly T[], key: (row: T) => Key, descending: boolean): T[] {
  return [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
    return descending ? -order : order;
  });
}
