/** A random tree of processes below a trainer: some in sessions of their own, some deaf to SIGTERM, some stopped. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ProcessTree {
  /** A program for `/bin/sh` that greets as trainers do, grows the tree and waits. */
  leader: string;
  size: number;
  /** Of all but the leader, once they all stand. */
  pids(): number[] | null;
}

/** `random` gives numbers in [0, 1): the same ones, the same tree. */
export function growTree(folder: string, random: () => number): ProcessTree {
  mkdirSync(folder, { recursive: true });
  const pidFile = join(folder, 'pids');
  const hello = JSON.stringify({ type: 'hello', protocol: 1, engine: 'tree', numerics: 'tree-1' });
  const isObedient = random() < 0.5;
  let size = 0;
  const children = (depth: number, least: number): string[] => {
    if (depth > 3) return [];
    return Array.from({ length: least + Math.floor(2.5 * random()) }, () => {
      const number = size++;
      const file = join(folder, `${number}.sh`);
      const below = children(depth + 1, 0);
      const deaf = random() < 0.2 ? ["trap '' TERM"] : [];
      const tell = `echo $$ >> ${pidFile}`;
      const stopped = random() < 0.1 ? ['kill -STOP $$'] : [];
      writeFileSync(file, [...deaf, ...below, tell, ...stopped, 'exec sleep 1000', ''].join('\n'));
      return `${random() < 0.2 ? 'setsid ' : ''}sh ${file} &`;
    });
  };
  const grown = children(1, 1);
  const deaf = random() < 0.2 ? ["trap '' TERM"] : [];
  const obey = isObedient
    ? 'while read line; do case "$line" in *\'"stop"\'*) exit 0;; esac; done; exit 0'
    : 'while :; do sleep 1000; done';
  const leader = join(folder, 'leader.sh');
  writeFileSync(leader, [...deaf, `echo '${hello}'`, ...grown, obey, ''].join('\n'));
  const pids = () => {
    const told = existsSync(pidFile) ? readFileSync(pidFile, 'utf8').split('\n').slice(0, -1).map(Number) : [];
    return told.length === size ? told : null;
  };
  return { leader, size, pids };
}
