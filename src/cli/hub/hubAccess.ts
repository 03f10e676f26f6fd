/** How this machine reaches the Hub: the variables and the token file that Python's huggingface_hub reads too. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hubHome } from '../../runs/hubCache.ts';
import { RunsError } from '../../runs/runsError.ts';

export interface HubAccess {
  /** Without a slash at its end. */
  endpoint: string;
  /** Goes to the endpoint alone, not to where it redirects. */
  token?: string;
}

export function hubAccess(): HubAccess {
  const { HF_ENDPOINT, HF_TOKEN, HUGGING_FACE_HUB_TOKEN } = process.env;
  for (const name of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) {
    if (!/^(1|on|yes|true)$/i.test(process.env[name] ?? '')) continue;
    throw new RunsError('offline', `${name} is set: nothing is downloaded`, { remedy: `Unset ${name} and try again.` });
  }
  const endpoint = (HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  const token = HF_TOKEN || HUGGING_FACE_HUB_TOKEN || tokenFromFile();
  return { endpoint, ...(token && { token }) };
}

/** As `hf auth login` writes it. */
function tokenFromFile(): string | undefined {
  const file = process.env.HF_TOKEN_PATH ?? join(hubHome(), 'token');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() || undefined : undefined;
}
