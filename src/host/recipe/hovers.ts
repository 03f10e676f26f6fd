/** Help on a key of a recipe: meaning, range, default, and what past runs got at other values of it. */
import * as vscode from 'vscode';
import { plain } from '../markdown.ts';
import { allowedValues, type KeySchema, keySchemaAt, rangeOf } from './keyHelp.ts';
import { yamlPositionAt } from './yamlPosition.ts';

export interface PastValue {
  value: string;
  result: string;
}

/** What runs of the same recipe got at the values they had for a key. */
export type PastValues = (document: vscode.TextDocument, key: string) => Promise<PastValue[]>;

export class KeyHovers implements vscode.HoverProvider {
  readonly #pastValues: PastValues;

  constructor(pastValues: PastValues) {
    this.#pastValues = pastValues;
  }

  async provideHover(document: vscode.TextDocument, position: vscode.Position): Promise<vscode.Hover | undefined> {
    const at = yamlPositionAt(linesOf(document), position.line, position.character);
    if (!at?.key || position.character > at.to || position.character < at.from) return undefined;
    const path = [...at.parents, at.key];
    const schema = keySchemaAt(path);
    if (!schema) return undefined;
    const past = await this.#pastValues(document, path.join('.'));
    const range = new vscode.Range(position.line, at.from, position.line, at.to);
    return new vscode.Hover([keyHelp(path.join('.'), schema), ...pastHelp(past)], range);
  }
}

export function keyHelp(key: string, schema: KeySchema): vscode.MarkdownString {
  const text = new vscode.MarkdownString(`**${key}**\n\n`);
  if (schema.description) text.appendMarkdown(plain(schema.description)).appendMarkdown('\n\n');
  const range = rangeOf(schema);
  if (range && (schema.type !== 'object' || allowedValues(schema).length > 0)) text.appendMarkdown(`${range}\n\n`);
  const standard = schema.default;
  if (standard !== undefined && typeof standard !== 'object') {
    text.appendMarkdown(vscode.l10n.t('Default: {0}', `\`${String(standard)}\``));
  } else if (Array.isArray(standard) && standard.length > 0) {
    text.appendMarkdown(vscode.l10n.t('Default: {0}', `\`[${standard.join(', ')}]\``));
  }
  return text;
}

function pastHelp(past: PastValue[]): vscode.MarkdownString[] {
  if (past.length === 0) return [];
  const text = new vscode.MarkdownString(`${vscode.l10n.t('Past runs')}\n\n| | |\n|--|--|\n`);
  for (const { value, result } of past)
    text
      .appendMarkdown('| ')
      .appendMarkdown(plain(value))
      .appendMarkdown(' | ')
      .appendMarkdown(plain(result))
      .appendMarkdown(' |\n');
  return [text];
}

export function linesOf(document: vscode.TextDocument): string[] {
  return document.getText().split(/\r?\n/);
}
