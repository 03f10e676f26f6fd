/** Edits to the text of a recipe that keep its comments and layout. Each gives an edit; none applies it. */
import * as vscode from 'vscode';
import { starterRetain } from '../../recipe/newRecipe.ts';

export function addRetain(document: vscode.TextDocument): vscode.WorkspaceEdit {
  const present = lineOfKey(document, 'retain');
  if (present !== undefined) {
    const edit = new vscode.WorkspaceEdit();
    edit.replace(document.uri, document.lineAt(present).range, starterRetain.trimEnd());
    return edit;
  }
  return insertAfterSection(document, 'data', `\n${starterRetain}`);
}

/** Writes `method.replay`; an existing section `method` gets it as its first entry. */
export function addReplay(document: vscode.TextDocument, file = 'data/general.train.txt'): vscode.WorkspaceEdit {
  const data = /^[\w./-]+$/.test(file) ? file : JSON.stringify(file);
  const entry = `  replay: { data: ${data}, share: 0.2 }   # rows of the old kind; never a probe file\n`;
  const method = lineOfKey(document, 'method');
  if (method === undefined) return insertAfterSection(document, 'retain', `\nmethod:\n${entry}`);
  const edit = new vscode.WorkspaceEdit();
  const text = document.lineAt(method).text;
  if (/^method:\s*(#.*)?$/.test(text)) edit.insert(document.uri, new vscode.Position(method + 1, 0), entry);
  else edit.replace(document.uri, document.lineAt(method).range, `method:\n${entry.trimEnd()}`);
  return edit;
}

/** Takes `key: value` on one line to where it belongs; undefined when it spans lines. */
export function moveKey(document: vscode.TextDocument, line: number, target: string): vscode.WorkspaceEdit | undefined {
  const source = document.lineAt(line);
  const value = /^\s*[\w.-]+\s*:\s*([^\s#{[][^#]*?)\s*(#.*)?$/.exec(source.text)?.[1];
  const [section, ...rest] = target.split('.');
  if (!value || !section || rest.length > 1) return undefined;
  const edit = new vscode.WorkspaceEdit();
  edit.delete(document.uri, source.rangeIncludingLineBreak);
  const [key] = rest;
  if (key === undefined) {
    edit.insert(document.uri, new vscode.Position(0, 0), `${section}: ${value}\n`);
    return edit;
  }
  const present = lineOfKey(document, section);
  if (present === undefined) {
    edit.insert(document.uri, endOf(document), `${gapBefore(document)}${section}:\n  ${key}: ${value}\n`);
    return edit;
  }
  const text = document.lineAt(present).text;
  const brace = text.indexOf('{');
  if (brace >= 0) edit.insert(document.uri, new vscode.Position(present, brace + 1), ` ${key}: ${value},`);
  else edit.insert(document.uri, new vscode.Position(present + 1, 0), `  ${key}: ${value}\n`);
  return edit;
}

function insertAfterSection(document: vscode.TextDocument, section: string, text: string): vscode.WorkspaceEdit {
  const edit = new vscode.WorkspaceEdit();
  const start = lineOfKey(document, section);
  if (start === undefined) edit.insert(document.uri, endOf(document), gapBefore(document) + text);
  else {
    const end = endOfSection(document, start);
    const isLast = end >= document.lineCount;
    edit.insert(
      document.uri,
      isLast ? endOf(document) : new vscode.Position(end, 0),
      isLast ? gapBefore(document) + text : text,
    );
  }
  return edit;
}

function lineOfKey(document: vscode.TextDocument, key: string): number | undefined {
  for (let line = 0; line < document.lineCount; line += 1) {
    if (document.lineAt(line).text.startsWith(`${key}:`)) return line;
  }
  return undefined;
}

/** The line after the last one that belongs to a top-level key. */
function endOfSection(document: vscode.TextDocument, start: number): number {
  let end = start + 1;
  for (let line = start + 1; line < document.lineCount; line += 1) {
    const { text, isEmptyOrWhitespace } = document.lineAt(line);
    if (isEmptyOrWhitespace || /^\s*#/.test(text)) continue;
    if (!/^\s/.test(text)) break;
    end = line + 1;
  }
  return end;
}

const endOf = (document: vscode.TextDocument): vscode.Position => document.lineAt(document.lineCount - 1).range.end;
const gapBefore = (document: vscode.TextDocument): string =>
  document.lineAt(document.lineCount - 1).isEmptyOrWhitespace ? '' : '\n';
