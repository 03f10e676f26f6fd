/** The report of a comparison: Markdown with its pictures (SVG) in a folder beside it. */
import { access, constants, mkdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { compareRuns } from '../domain/comparison.ts';
import { reportFiles } from '../domain/reportFiles.ts';
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
  const series = new Map(loaded.map(({ state }) => [state.identity.id, state.series]));
  const { folder, pictures, markdown } = reportFiles(compareRuns(views), (run, name) => series.get(run)?.get(name), {
    title: `${views[0]?.name ?? 'Comparison'}: what each way kept`,
    stem: basename(target, extname(target)),
  });
  const place = join(dirname(target), folder);
  try {
    await mkdir(place, { recursive: true });
  } catch (error) {
    throw fromSystem(error, target, 'writing');
  }
  for (const { file: name, svg } of pictures) await writeFileSafely(join(place, name), svg);
  await writeFileSafely(target, markdown);
}
