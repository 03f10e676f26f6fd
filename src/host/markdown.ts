/** Plain text for Markdown. `appendText` of the editor would make every blank one that never breaks. */

export function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-!|<>~$&]/g, '\\$&').replace(/\n/g, ' ');
}
