/** The report of a comparison: Markdown with its pictures (SVG) in a folder beside it. */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { curvesChart, planeChart } from '../domain/charts.ts';
import { compareRuns, runLabels } from '../domain/comparison.ts';
import { markdownReport } from '../domain/report.ts';
import type { ComparisonView, RunView } from '../protocol/panel.ts';
import { type LoadedRun, loadRun } from '../runs/loadRun.ts';
import type { RunFolder } from '../runs/runFolder.ts';
import { fromSystem } from '../runs/runsError.ts';
import { writeFileSafely } from '../runs/safeFile.ts';

interface Picture {
  name: string;
  alt: string;
  svg: string;
}

export async function writeReport(file: string, runs: RunFolder[]): Promise<void> {
  const target = resolve(file);
  const loaded = await Promise.all(runs.map(loadRun));
  const views = loaded.map(({ state, status, result }) => ({
    ...state.view({ status: status.status, reason: status.reason }),
    result,
  }));
  const comparison = compareRuns(views);
  const pictures = [...planes(comparison), ...curves(loaded, views, comparison)];
  const folder = `${basename(target, extname(target))}-pictures`;
  try {
    await mkdir(join(dirname(target), folder), { recursive: true });
  } catch (error) {
    throw fromSystem(error, target, 'writing');
  }
  for (const { name, svg } of pictures) await writeFileSafely(join(dirname(target), folder, name), svg);
  const title = `${views[0]?.name ?? 'Comparison'}: what each way kept`;
  const markdown = markdownReport(comparison, {
    title,
    pictures: pictures.map(({ name, alt }) => ({ path: `${encodeURIComponent(folder)}/${name}`, alt })),
  });
  await writeFileSafely(target, markdown);
}

function planes({ plane, budgets, runs }: ComparisonView): Picture[] {
  const labels = runLabels(runs);
  const sets = [...new Set(plane.map(({ set }) => set))];
  return sets.map(set => {
    const points = plane.filter(point => point.set === set);
    const svg = planeChart({
      set,
      unit: points[0]?.unit ?? '',
      points: points.map(({ run, ...point }) => ({ ...point, label: labels[run] ?? run })),
      budget: budgets[set]?.value,
      replayed: runs.some(({ result }) => result?.forgetting[set]?.replayed),
    });
    return { name: `plane-${set}.svg`, alt: `Learning against forgetting of ${set}`, svg };
  });
}

/** Loss of the task, and forgetting of each set, over steps. */
function curves(loaded: LoadedRun[], views: RunView[], { budgets, plane }: ComparisonView): Picture[] {
  const labels = runLabels(views);
  const pictures: Picture[] = [];
  const sets = [...new Set(loaded.flatMap(({ result }) => Object.keys(result.forgetting)))];
  for (const name of ['loss', ...sets.map(set => `forgetting.${set}`)]) {
    const set = name.startsWith('forgetting.') ? name.slice('forgetting.'.length) : null;
    const lines = loaded.flatMap(({ state }) => {
      const series = state.series.get(name);
      return series ? [{ label: labels[state.identity.id] ?? '', ...series.since(0) }] : [];
    });
    if (lines.length === 0) continue;
    const title = set ? `Forgetting of ${set}` : 'Loss of the task';
    const inNats = plane.some(point => point.set === set && point.unit.startsWith('nats'));
    const budget = set && inNats ? budgets[set]?.value : undefined;
    const svg = curvesChart({ title, axis: 'nats/token', curves: lines, budget });
    pictures.push({ name: `${name.replaceAll('.', '-')}.svg`, alt: `${title} over steps`, svg });
  }
  return pictures;
}
