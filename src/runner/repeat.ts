/** A task at regular pauses. */
import { errorReport } from '../runs/runsError.ts';

/** Runs a task again and again with a pause between, never twice at once. `end` waits for a task under way. */
export function repeat(pauseMs: number, task: () => Promise<void>): { end: () => Promise<void> } {
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  let underWay: Promise<void> = Promise.resolve();
  const next = () => {
    if (over) return;
    underWay = task()
      .catch(error => void process.stderr.write(`runner: ${errorReport(error).message}\n`))
      .then(() => {
        if (!over) timer = setTimeout(next, pauseMs);
      });
  };
  next();
  return {
    end: () => {
      over = true;
      clearTimeout(timer);
      return underWay;
    },
  };
}
