/** A request as it stands in `run.json`, without the seal of anybody. */
import path from 'node:path';

export function fakeRequest(folder: string, recipe: string, id: string, name: string): Record<string, unknown> {
  const sections = { data: { train: 'a.jsonl', eval: {} }, retain: { base: 'm', probes: {}, prompts: [] }, method: {} };
  return {
    v: 1,
    id,
    createdAt: Date.parse('2026-11-21T12:00:00Z'),
    name,
    variant: 'plain',
    recipeFile: path.join(folder, recipe),
    recipeText: 'model: m\n',
    recipe: { name, variant: 'plain', model: 'm', ...sections, train: { max_steps: 10 } },
    paths: {},
    engine: { folder: path.join(folder, 'engine'), version: '1' },
    node: { path: path.join(folder, 'evil.sh'), env: {}, reason: 'x' },
    argv: [],
    seeds: {},
    git: null,
    seal: '0'.repeat(64),
  };
}
