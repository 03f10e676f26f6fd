/** The report of a comparison: Markdown with its pictures (SVG) in a folder beside it. */
import { access, constants, mkdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { compareRuns } from '../domain/comparison.ts';
import { markdownReport } from '../domain/report.ts';
import { reportPictures } from '../domain/reportPictures.ts';
import { loadRun } from '../runs/loadRun.ts';
import type { RunFolder } from '../runs/runFolder.ts';
import { fromSystem, RunsError } from '../runs/runsError.ts';
import { writeFileSafely } from '../runs/safeFile.ts';

/** Before anything trains: hours later is too late to learn that the report cannot be written. */
export async function checkReportPlace(file: string): Promise<void> {
  const target = resolve(file);
  const present = await stat(target).catch(() => null);
  if (present?.isDirectory()) {
    throw new RunsError('wrong-use', `${target} is a folder`, {
      file: target,
      remedy: 'Give a file: --report FILE.md',
    });
  }
  try {
    await mkdir(dirname(target), { recursive: true });
    await access(dirname(target), constants.W_OK);
  } catch (error) {
    throw fromSystem(error, target, 'writing');
  }
}

export async function writeReport(file: string, runs: RunFolder[]): Promise<void> {
  const target = resolve(file);
  const loaded = await Promise.all(runs.map(loadRun));
  const views = loaded.map(({ state, status, result }) => ({
    ...state.view({ status: status.status, reason: status.reason }),
    result,
  }));
  const comparison = compareRuns(views);
  const series = new Map(loaded.map(({ state }) => [state.identity.id, state.series]));
  const pictures = reportPictures(comparison, (run, name) =>
    series.get(run)?.get(name)?.buckets(undefined, undefined, columns),
  );
  const folder = `${basename(target, extname(target))}-pictures`;
  try {
    await mkdir(join(dirname(target), folder), { recursive: true });
  } catch (error) {
    throw fromSystem(error, target, 'writing');
  }
  for (const { file: name, svg } of pictures) await writeFileSafely(join(dirname(target), folder, name), svg);
  const title = `${views[0]?.name ?? 'Comparison'}: what each way kept`;
  const markdown = markdownReport(comparison, {
    title,
    pictures: pictures.map(({ file: name, alt }) => ({ path: `${folder}/${name}`, alt })),
  });
  await writeFileSafely(target, markdown);
}

/** Of one series at most: a picture is 720 pixels wide. */
const columns = 400;
