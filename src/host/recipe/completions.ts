/** Keys and values of a recipe from its schema, so that completion needs no other extension. */
import * as vscode from 'vscode';
import { ruleExamples } from '../../recipe/stopRule.ts';
import { keyHelp, linesOf } from './hovers.ts';
import { allowedValues, type ChildKey, childKeys, isSection, keySchemaAt } from './keyHelp.ts';
import { type YamlPosition, yamlPositionAt } from './yamlPosition.ts';

export class KeyCompletions implements vscode.CompletionItemProvider {
  provideCompletionItems(document: vscode.TextDocument, position: vscode.Position): vscode.CompletionItem[] {
    // The YAML extension offers the same from the same schema.
    if (vscode.extensions.getExtension('redhat.vscode-yaml')?.isActive) return [];
    const lines = linesOf(document);
    const at = yamlPositionAt(lines, position.line, position.character);
    if (!at) return [];
    if (at.key === 'stop_if' || at.parents.at(-1) === 'stop_if') return rules();
    return at.isInValue ? values(at) : keys(at, position, presentKeys(lines, position.line, at));
  }
}

function values(at: YamlPosition): vscode.CompletionItem[] {
  const schema = keySchemaAt([...at.parents, at.key]);
  if (!schema) return [];
  return allowedValues(schema).map(value => {
    const item = new vscode.CompletionItem(value, vscode.CompletionItemKind.EnumMember);
    item.insertText = schema.type === 'array' ? `[${value}]` : value;
    return item;
  });
}

/** A rule is a sentence: whole ones are offered, to be changed. */
function rules(): vscode.CompletionItem[] {
  return ruleExamples.map(rule => new vscode.CompletionItem(rule, vscode.CompletionItemKind.Snippet));
}

function keys(at: YamlPosition, position: vscode.Position, present: Set<string>): vscode.CompletionItem[] {
  const schema = keySchemaAt(at.parents);
  if (!schema) return [];
  const range = new vscode.Range(position.line, at.from, position.line, Math.max(at.to, position.character));
  return childKeys(schema)
    .filter(child => !present.has(child.name))
    .map(child => keyItem(child, at, range));
}

function keyItem(child: ChildKey, at: YamlPosition, range: vscode.Range): vscode.CompletionItem {
  const item = new vscode.CompletionItem(child.name, vscode.CompletionItemKind.Property);
  const indent = ' '.repeat(at.from + 2);
  item.range = range;
  item.insertText = isSection(child.schema) ? `${child.name}:\n${indent}` : `${child.name}: `;
  item.keepWhitespace = true;
  item.documentation = keyHelp([...at.parents, child.name].join('.'), child.schema);
  item.sortText = `${child.isRequired ? '0' : '1'}${child.name}`;
  return item;
}

/** Keys of the same map, so that none is offered twice. */
function presentKeys(lines: string[], line: number, at: YamlPosition): Set<string> {
  const present = new Set<string>();
  for (const [index, text] of lines.entries()) {
    const key = /^\s*([\w.-]+)\s*:/.exec(text);
    if (!key || index === line) continue;
    const other = yamlPositionAt(lines, index, text.indexOf(key[1] ?? ''));
    if (other?.parents.join('.') === at.parents.join('.')) present.add(other.key);
  }
  return present;
}
