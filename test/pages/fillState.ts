/** Runs inside a test page: puts strings at every place of the page's state, and looks for what they made. */
import type { FakeHost } from './fakeHost.ts';

const made = 'script,iframe,object,embed,img,video,audio,base,form,link,meta,math,a[href],[srcdoc],[onerror]';
/** What the host itself writes, of a fixed list of words. */
const fixed = ['id', 'run', 'page', 'status', 'kind', 'lane', 'verdict', 'overall', 'severity', 'unit', 'variant'];
/** Their keys are names from recipes and trainers. */
const records = ['settings', 'forgetting', 'learning', 'kl', 'probes', 'environment', 'checks', 'budgets', 'differing'];

/**
 * In as many states, evenly moved on, so that every string comes to many places, and with a state a string to all of them.
 * A text that stands in several places is the same string in each, as a name is.
 */
export async function fillEverywhere(
  host: FakeHost,
  strings: readonly string[],
  states: number,
): Promise<{ places: number; found: string[] }> {
  const known = document.querySelectorAll(made).length;
  const original = JSON.stringify(host.state);
  const found: string[] = [];
  let places = 0;
  for (let state = 0; state < states && found.length < 3; state++) {
    const from = Math.floor((state * strings.length) / states);
    const taken = new Map<string, string>();
    const next = (text: string) => {
      if (!taken.has(text)) taken.set(text, strings[(from + taken.size) % strings.length]!);
      return taken.get(text)!;
    };
    host.sent.length = 0;
    host.post({ type: 'state', state: fill(JSON.parse(original), next) as typeof host.state, strings: {} });
    await drawn(host);
    places = taken.size;
    const [stray] = [...document.querySelectorAll(made)].slice(known);
    if (stray) found.push(`state ${state} made ${stray.outerHTML.slice(0, 100)}`);
    if ('broken' in window) found.push(`state ${state} ran`);
    const problem = host.sent.find(message => message.type === 'problem');
    if (problem?.type === 'problem') found.push(`state ${state}: ${problem.message.slice(0, 500)}`);
  }
  return { places, found };
}

/** Every text, and every key that is a name, through `next`. */
export function fill(value: unknown, next: (text: string) => string, key = ''): unknown {
  if (typeof value === 'string') return fixed.includes(key) ? value : next(value);
  if (Array.isArray(value)) return value.map(item => fill(item, next, key));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) => [
    records.includes(key) ? next(name) : name,
    fill(item, next, name),
  ]);
  return Object.fromEntries(entries);
}

async function drawn(host: FakeHost): Promise<void> {
  for (;;) {
    const last = host.sent.findLast(message => message.type === 'ack');
    if (last?.type === 'ack' && last.seq === host.seq) return;
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}
