/**
 * Builds elements. Text goes in as text nodes only: nothing from a recipe, a log or a model is ever markup, and there is
 * no way to pass markup or an inline style attribute here.
 */
export type Child = Node | string | number | null | undefined | false;

type Attribute = string | number | boolean | undefined;
export type Attributes = Record<string, Attribute> & { style?: never };

const svgNamespace = 'http://www.w3.org/2000/svg';

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes?: Attributes,
  ...children: Child[]
): HTMLElementTagNameMap[K];
export function h(tag: string, attributes?: Attributes, ...children: Child[]): HTMLElement;
export function h(tag: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

export function svg(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS(svgNamespace, tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

export function on<K extends keyof HTMLElementEventMap, E extends Element>(
  element: E,
  type: K,
  listener: (event: HTMLElementEventMap[K]) => void,
): E {
  element.addEventListener(type, listener as EventListener);
  return element;
}

/** Writes only what changed, so that a screen reader and the layout have nothing to do when nothing changed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Runs `render` only when what it shows differs from last time. */
export function whenChanged<T>(render: (value: T) => void): (value: T) => void {
  let shown: string | undefined;
  let last: T | undefined;
  return value => {
    // What the host did not send anew is the same object; comparing by text is for parts put together here.
    if (shown !== undefined && value === last) return;
    last = value;
    const key = JSON.stringify(value);
    if (key === shown) return;
    shown = key;
    render(value);
  };
}

function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
}

function append(element: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === 'object' ? child : String(child));
  }
}
