/** A series as block characters for the end of a line. Knows no editor. */

const blocks = '▁▂▃▄▅▆▇█';

/** At most `width` characters; a gap is a blank. An even series lies in the middle. */
export function sparkline(values: readonly (number | null)[], width = 12): string {
  const cells = shrink(values, width);
  const finite = cells.filter(value => value !== null);
  if (finite.length === 0) return '';
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const level = (value: number): number =>
    high > low ? Math.min(Math.floor(((value - low) / (high - low)) * blocks.length), blocks.length - 1) : 3;
  return cells.map(value => (value === null ? ' ' : blocks[level(value)])).join('');
}

/** The mean of each cell; a spike must not swallow its neighbours at this size. */
function shrink(values: readonly (number | null)[], width: number): (number | null)[] {
  const known = values.map(value => (value !== null && Number.isFinite(value) ? value : null));
  if (known.length <= width) return known;
  return Array.from({ length: width }, (_, cell) => {
    const part = known.slice(
      Math.floor((cell * known.length) / width),
      Math.floor(((cell + 1) * known.length) / width),
    );
    const finite = part.filter(value => value !== null);
    return finite.length > 0 ? finite.reduce((sum, value) => sum + value, 0) / finite.length : null;
  });
}
