/** A report as files: the Markdown, and its pictures in a folder beside it. Says what they hold; writes nothing. */
import type { ComparisonView } from '../protocol/panel.ts';
import { estimateBuckets } from './estimates.ts';
import type { MetricSeries } from './metricSeries.ts';
import { markdownReport } from './report.ts';
import { type Picture, reportPictures } from './reportPictures.ts';
import type { Translate } from './words.ts';

export interface ReportFiles {
  markdown: string;
  /** Its name. */
  folder: string;
  pictures: Picture[];
}

export interface ReportNames {
  title: string;
  /** What the Markdown file is called, without its ending. */
  stem: string;
  translate?: Translate;
}

/** Of one series at most: a picture is 720 pixels wide. */
const columns = 400;

export function reportFiles(
  comparison: ComparisonView,
  seriesOf: (runId: string, name: string) => MetricSeries | undefined,
  { title, stem, translate }: ReportNames,
): ReportFiles {
  const pointsOf = (run: string, name: string) =>
    estimateBuckets(series => seriesOf(run, series), name, undefined, undefined, columns);
  const pictures = reportPictures(comparison, pointsOf, translate);
  const folder = `${stem}-pictures`;
  const placed = pictures.map(({ file, alt }) => ({ path: `${folder}/${file}`, alt }));
  return { folder, pictures, markdown: markdownReport(comparison, { title, pictures: placed, translate }) };
}
