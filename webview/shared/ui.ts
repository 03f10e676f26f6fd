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
  const badges = new Map<string, HTMLElement>();
  const heads = all.map(tab => {
    const badge = h('vscode-badge', { class: 'tab-count', hidden: true });
    badges.set(tab.id, badge);
    return h('vscode-panel-tab', { id: `tab-${tab.id}` }, tab.title, badge);
  });
  const bodies = all.map(tab => h('vscode-panel-view', { id: `view-${tab.id}` }, tab.content));
  const element = h('vscode-panels', { 'aria-label': label, activeid: `tab-${active}` }, ...heads, ...bodies) as Panels;
  element.addEventListener('change', event => {
    const tab = (event as CustomEvent<HTMLElement | undefined>).detail;
    if (event.target === element && tab?.id) onChange(tab.id.slice('tab-'.length));
  });
  return {
    element,
    count: (id, text) => {
      const badge = badges.get(id);
      if (!badge) return;
      badge.hidden = text === '';
      if (badge.textContent !== text) badge.textContent = text;
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
