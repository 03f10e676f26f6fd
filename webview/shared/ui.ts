/**
 * The controls of all pages, and the only import of widget libraries. What each library passed and why each control
 * comes from where it does is written in docs/webview-toolkit.md.
 */
import './nonce.ts';
import '@vscode-elements/elements/dist/vscode-badge/index.js';
import {
  type Button,
  type Checkbox,
  type Dropdown,
  type Panels,
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDropdown,
  vsCodeOption,
  vsCodePanels,
  vsCodePanelTab,
  vsCodePanelView,
  vsCodeProgressRing,
} from '@vscode/webview-ui-toolkit';
import { h } from './dom.ts';

provideVSCodeDesignSystem().register(
  vsCodeButton(),
  vsCodeCheckbox(),
  vsCodeDropdown(),
  vsCodeOption(),
  vsCodePanels(),
  vsCodePanelTab(),
  vsCodePanelView(),
  vsCodeProgressRing(),
);

export function button(label: string, onClick: () => void, kind: 'primary' | 'secondary' = 'secondary'): HTMLElement {
  const element = h('vscode-button', { appearance: kind }, label) as Button;
  element.addEventListener('click', onClick);
  return element;
}

export interface Toggle {
  element: HTMLElement;
  set(checked: boolean): void;
}

export function checkbox(label: string, checked: boolean, onChange: (checked: boolean) => void): Toggle {
  const element = h('vscode-checkbox', { checked }, label) as Checkbox;
  element.addEventListener('change', () => onChange(element.checked));
  return {
    element,
    set: value => {
      if (element.checked !== value) element.checked = value;
    },
  };
}

export function select<T extends string>(
  label: string,
  options: readonly { value: T; text: string }[],
  value: T,
  onChange: (value: T) => void,
): HTMLElement {
  const element = h(
    'vscode-dropdown',
    { 'aria-label': label },
    ...options.map(option =>
      h('vscode-option', { value: option.value, selected: option.value === value }, option.text),
    ),
  ) as Dropdown;
  element.addEventListener('change', () => onChange(element.value as T));
  return h('span', { class: 'field' }, h('span', { class: 'field-label', 'aria-hidden': 'true' }, label), element);
}

export interface Tab {
  id: string;
  title: string;
  content: HTMLElement;
}

export interface Tabs {
  element: HTMLElement;
  /** A number beside a tab's title, for instance of lines that wait there. */
  count(id: string, text: string): void;
}

export function tabs(label: string, all: Tab[], active: string, onChange: (id: string) => void): Tabs {
  const heads = new Map<string, { tab: HTMLElement; badge: HTMLElement; title: string }>();
  for (const { id, title } of all) {
    const badge = h('vscode-badge', { class: 'tab-count', hidden: true });
    heads.set(id, { tab: h('vscode-panel-tab', { id: `tab-${id}` }, `${title} `, badge), badge, title });
  }
  const bodies = all.map(tab => h('vscode-panel-view', { id: `view-${tab.id}` }, tab.content));
  const element = h(
    'vscode-panels',
    { 'aria-label': label, activeid: `tab-${active}` },
    ...[...heads.values()].map(head => head.tab),
    ...bodies,
  ) as Panels;
  element.addEventListener('change', event => {
    const tab = (event as CustomEvent<HTMLElement | undefined>).detail;
    if (event.target === element && tab?.id) onChange(tab.id.slice('tab-'.length));
  });
  return {
    element,
    count: (id, text) => {
      const head = heads.get(id);
      if (!head || head.badge.textContent === text) return;
      head.badge.hidden = text === '';
      head.badge.textContent = text;
      // The toolkit names a tab by the text it had when it came to the page.
      head.tab.setAttribute('aria-label', `${head.title} ${text}`.trim());
    },
  };
}

export function badge(text: string, className = ''): HTMLElement {
  return h('vscode-badge', { class: className }, text);
}

export function busy(label: string): HTMLElement {
  return h(
    'div',
    { class: 'busy', role: 'status' },
    h('vscode-progress-ring', { 'aria-hidden': 'true' }),
    h('span', {}, label),
  );
}
