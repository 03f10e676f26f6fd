/** `holdfast download`: a model from the Hub into the Hugging Face cache, after a yes. */
import { isAgreed } from '../agreement.ts';
import { type Command, flag, jsonOption, onlyPositional, text } from '../command.ts';
import { hubAccess } from '../hub/hubAccess.ts';
import { downloadModel, missingBytes } from '../hub/hubDownload.ts';
import { findHubModel } from '../hub/hubModel.ts';
import type { Output } from '../output.ts';
import { bytes } from '../table.ts';

export const download: Command = {
  name: 'download',
  summary: 'Bring a model from the Hugging Face Hub into the cache that Python uses too.',
  usage: 'ORG/NAME [--revision NAME] [--yes] [--json]',
  options: {
    revision: { type: 'string', value: 'NAME', help: 'A branch, a tag or a commit. Default: main.' },
    yes: { type: 'boolean', short: 'y', help: 'Do not ask.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const access = hubAccess();
    const name = onlyPositional(download, positionals, 'ORG/NAME');
    const model = await findHubModel(name, text(values, 'revision') ?? 'main', access);
    const [missing, whole] = [missingBytes(model), model.files.reduce((sum, file) => sum + file.bytes, 0)];
    output.note(`${name}: ${model.files.length} files, ${bytes(whole)}; ${bytes(missing)} are to come.`);
    if (missing > 0 && !flag(values, 'yes') && !(await isAgreed('Download?'))) {
      output.note('Nothing was downloaded.');
      return 0;
    }
    const bar = new DownloadBar(output, missing);
    const folder = await downloadModel(model, access, count => bar.add(count));
    bar.end();
    output.line(folder);
    output.answer({ name, revision: model.revision, commit: model.commit, folder, bytes: whole, downloaded: missing });
    return 0;
  },
};

const redrawMs = 100;

/** One line that redraws in a terminal, a line at every tenth elsewhere. */
class DownloadBar {
  readonly #output: Output;
  readonly #total: number;
  readonly #startedAt = Date.now();
  #done = 0;
  #drawnAt = 0;
  #tenth = 0;

  constructor(output: Output, total: number) {
    this.#output = output;
    this.#total = total;
  }

  add(count: number): void {
    this.#done += count;
    if (this.#output.isTerminal) {
      if (Date.now() - this.#drawnAt >= redrawMs) this.#draw();
      return;
    }
    const tenth = Math.floor((10 * this.#done) / this.#total);
    if (tenth > this.#tenth) this.#output.note(this.#line());
    this.#tenth = tenth;
  }

  end(): void {
    if (!this.#output.isTerminal || this.#done === 0) return;
    this.#draw();
    this.#output.draw('\n');
  }

  #draw(): void {
    this.#drawnAt = Date.now();
    this.#output.draw(`\r\x1b[2K${this.#line()}`);
  }

  #line(): string {
    const perSecond = (1000 * this.#done) / Math.max(1, Date.now() - this.#startedAt);
    return `${bytes(this.#done)} of ${bytes(this.#total)}  ${bytes(perSecond)}/s`;
  }
}
