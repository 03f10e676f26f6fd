/**
 * One of several windows: tags runs one after the other and says so once a tag is kept. Ends when nobody reads any more.
 * argv: project folder, word that its tags begin with, how many, which run is the first
 */
import { RunIndex } from '../../src/runs/runIndex.ts';
import { storeOf } from '../../src/runs/store.ts';
import { changeUser } from '../../src/runs/userChoices.ts';

async function main(folder: string, word: string, many: number, first: number): Promise<void> {
  const store = storeOf(folder);
  const index = await RunIndex.open(store, { mayWrite: true });
  const ids = await store.runIds();
  for (let number = 0; number < many; number++) {
    const id = ids[(first + number) % ids.length]!;
    await changeUser(store, [store.run(id)], { addTags: [`${word}${number}`] });
    process.stdout.write(`${id} ${word}${number}\n`);
    // A window lists what it has changed, and so writes the index too.
    if (number % 10 === 0) await index.refresh();
  }
}

void main(process.argv[2]!, process.argv[3]!, Number(process.argv[4]), Number(process.argv[5] ?? 0));
