/** The subcommands there are, in the order of the help. */
import type { Command } from './command.ts';
import { check } from './commands/check.ts';
import { checkpoint } from './commands/checkpoint.ts';
import { clean } from './commands/clean.ts';
import { compare } from './commands/compare.ts';
import { doctor } from './commands/doctor.ts';
import { download } from './commands/download.ts';
import { edit } from './commands/edit.ts';
import { evaluate } from './commands/eval.ts';
import { importCommand } from './commands/import.ts';
import { logs } from './commands/logs.ts';
import { ls } from './commands/ls.ts';
import { pause } from './commands/pause.ts';
import { queue } from './commands/queue.ts';
import { rerun } from './commands/rerun.ts';
import { resume } from './commands/resume.ts';
import { rm } from './commands/rm.ts';
import { run } from './commands/run.ts';
import { show } from './commands/show.ts';
import { stop } from './commands/stop.ts';
import { sweep } from './commands/sweep.ts';

export const commands: Command[] = [
  run,
  compare,
  sweep,
  check,
  ls,
  show,
  logs,
  stop,
  pause,
  checkpoint,
  resume,
  rerun,
  queue,
  edit,
  rm,
  clean,
  importCommand,
  evaluate,
  download,
  doctor,
];
