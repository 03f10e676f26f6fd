/** What of a repository on the Hub a model needs, told before anything is downloaded. Weights are safetensors only. */
import { HubApiError, listFiles, modelInfo } from '@huggingface/hub';
import { hubNamePattern } from '../../runs/hubCache.ts';
import { RunsError } from '../../runs/runsError.ts';
import type { HubAccess } from './hubAccess.ts';

export interface HubFile {
  path: string;
  bytes: number;
  /** Its name in the cache: sha256 of a large file, git's id of a small one. */
  blob: string;
}

export interface HubModel {
  name: string;
  /** A branch, a tag or a commit. */
  revision: string;
  commit: string;
  files: HubFile[];
}

const wanted =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|adapter_config)\.json$|^(merges\.txt|tokenizer\.model|chat_template\.jinja)$|^(model|adapter_model)[\w.-]*\.safetensors(\.index\.json)?$/;
const pickle = /\.(bin|pt|pth|ckpt|pkl)$/;
const digest = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/** Throws `RunsError`: no such model, no permission, nothing to load, or the Hub cannot be reached. */
export async function findHubModel(name: string, revision: string, { endpoint, token }: HubAccess): Promise<HubModel> {
  if (!hubNamePattern.test(name)) {
    throw new RunsError('wrong-use', `"${name}" is no name of a model`, { remedy: 'A name is written org/model.' });
  }
  const access = { hubUrl: endpoint, ...(token && { accessToken: token as `hf_${string}` }) };
  try {
    const { sha } = await modelInfo({ name, revision, additionalFields: ['sha'], ...access });
    const files: HubFile[] = [];
    const names: string[] = [];
    for await (const { type, path, size, oid, lfs } of listFiles({ repo: name, revision: sha, ...access })) {
      names.push(path);
      if (type === 'file' && wanted.test(path)) files.push({ path, bytes: size, blob: lfs?.oid ?? oid ?? '' });
    }
    if (!digest.test(sha) || files.some(({ blob, bytes }) => !digest.test(blob) || !Number.isSafeInteger(bytes))) {
      throw new RunsError('hub-answer', `${endpoint} answered what is no list of files`, {
        remedy: 'Check HF_ENDPOINT.',
      });
    }
    refuseUnusable(name, names, files);
    return { name, revision, commit: sha, files };
  } catch (error) {
    throw inWords(error, name, revision, endpoint);
  }
}

function refuseUnusable(name: string, names: string[], files: HubFile[]): void {
  if (files.some(({ path }) => path.endsWith('.safetensors'))) return;
  if (names.some(path => pickle.test(path))) {
    throw new RunsError('weights-pickle', `${name} has its weights only as pickles, which can run code when opened`, {
      remedy: 'Look for a repository or a branch of it with safetensors, or convert it where you trust it.',
    });
  }
  throw new RunsError('weights-missing', `${name} has no weights as safetensors`, {
    remedy: 'Choose a repository with config.json, tokenizer.json and model.safetensors.',
  });
}

function inWords(error: unknown, name: string, revision: string, endpoint: string): unknown {
  if (error instanceof RunsError) return error;
  if (error instanceof HubApiError) return refused(error.statusCode, name, revision, endpoint);
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new RunsError('hub-unreachable', `${endpoint} cannot be reached: ${detail}`, {
    remedy: 'Check the network, or HF_ENDPOINT. Models that are in the Hugging Face cache need no network.',
  });
}

export function refused(status: number, name: string, revision: string, endpoint: string): RunsError {
  if (status === 401 || status === 403) {
    return new RunsError('hub-no-permission', `${endpoint} does not give ${name} to you (${status})`, {
      remedy: `If it is gated, accept its conditions at ${endpoint}/${name}; then log in with hf auth login, or set HF_TOKEN.`,
    });
  }
  if (status === 404) {
    return new RunsError('model-missing', `There is no model ${name} (${revision}) at ${endpoint}`, {
      remedy: 'Check the spelling; a private model looks like none until you log in (hf auth login, or HF_TOKEN).',
    });
  }
  return new RunsError('hub-unreachable', `${endpoint} answered with ${status}`, { remedy: 'Try again later.' });
}
