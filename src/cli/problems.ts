/** A recipe's problems as a terminal shows them. */
import { basename } from 'node:path';
import { type Problem, parseRecipe } from '../recipe/parse.ts';
import type { Output } from './output.ts';

/** Said before a run starts; errors are told by whoever resolves the recipe. */
export function noteWarnings(recipeFile: string, recipeText: string, output: Output): void {
  const { problems } = parseRecipe(recipeText, recipeFile);
  for (const problem of problems) if (problem.severity === 'warning') output.note(problemText(recipeFile, problem));
}

export function problemText(file: string, { severity, message, remedy, range }: Problem): string {
  return `${basename(file)}:${range.line}:${range.column} ${severity}: ${message}${remedy ? `\n  ${remedy}` : ''}`;
}
