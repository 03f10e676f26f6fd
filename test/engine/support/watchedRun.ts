/** The loop inside this process: runs to the end of a start command, and what it told by type. Knows no single claim. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunControl } from '../../../src/engine/runControl.ts';
import { train } from '../../../src/engine/trainer.ts';
import type { StartCommand, TrainerEvent } from '../../../src/protocol/trainer.ts';

/** Everything it tells, the ending included; `watch` sees every event and may steer. */
export async function watchedRun(
  start: StartCommand,
  watch: (event: TrainerEvent, control: RunControl) => void = () => {},
): Promise<TrainerEvent[]> {
  const events: TrainerEvent[] = [];
  const control = new RunControl();
  const observe = (event: TrainerEvent): void => {
    events.push(event);
    if (event.type === 'checkpointed') control.recorded(event.folder);
    watch(event, control);
  };
  observe(await train(start, observe, control));
  return events;
}

export const eventsOf = <T extends TrainerEvent['type']>(events: TrainerEvent[], type: T) =>
  events.filter((event): event is Extract<TrainerEvent, { type: T }> => event.type === type);

export async function modelHash({ outputs }: StartCommand): Promise<string> {
  const weights = await readFile(join(outputs.model, 'model.safetensors'));
  return createHash('sha256').update(weights).digest('hex');
}
