/** `holdfast download`: a model from the Hub into the Hugging Face cache, after a yes. */
import { isAgreed } from '../agreement.ts';
import { type Command, flag, jsonOption, onlyPositional, text } from '../command.ts';
import { DownloadBar } from '../downloadBar.ts';
import { hubAccess } from '../hub/hubAccess.ts';
import { downloadModel, missingBytes } from '../hub/hubDownload.ts';
import { findHubModel } from '../hub/hubModel.ts';
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
