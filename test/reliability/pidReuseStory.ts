/**
 * Processes that get the pid of one that has just died, for real: pids are dealt out by hand. A program of its own, the
 * first of a process namespace. usage: pidReuseStory.ts COUNT. Prints {reused, signals} as JSON.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { killMarked } from '../../src/runs/markedProcesses.ts';
import { identityOf, isAlive, signalProcess } from '../../src/runs/processIdentity.ts';

const wanted = Number(process.argv[2]);

async function main(): Promise<void> {
  let [reused, signals] = [0, 0];
  for (let number = 0; number < wanted; number++) {
    const first = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const known = (await identityOf(first.pid!))!;
    const gone = once(first, 'exit');
    first.kill('SIGKILL');
    await gone;
    // Start times are counted in hundredths of a second.
    await sleep(20);
    writeFileSync('/proc/sys/kernel/ns_last_pid', String(known.pid - 1));
    const second = spawn('sleep', ['1000'], { stdio: 'ignore' });
    let isHit = false;
    const ended = once(second, 'exit').then(() => {
      isHit = true;
    });
    if (second.pid === known.pid) reused += 1;
    if ((await isAlive(known)) !== 'gone') signals += 1;
    if (await signalProcess(known, 'SIGKILL')) signals += 1;
    await killMarked('m', known);
    await sleep(5);
    if (isHit) signals += 1;
    second.kill('SIGKILL');
    await ended;
  }
  process.stdout.write(JSON.stringify({ reused, signals }));
}

void main();
