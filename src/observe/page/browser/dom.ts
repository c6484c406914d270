/** An element of this page; its id is in index.html. */
export function byId<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** Creates an element. All text is text, whatever it looks like. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Sets text that may be the same as before, which then costs no layout. */
export function setText(node: Element, text: string): void {
  const { firstChild } = node;
  if (firstChild instanceof Text && firstChild.nextSibling === null) {
    if (firstChild.data !== text) firstChild.data = text;
  } else if (text !== "" || firstChild !== null) {
    node.textContent = text;
  }
}

/** Sets an attribute, unless it is the same as before. */
export function setAttribute(node: Element, name: string, value: string): void {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** A list of terms, and what they are. Those without a value are left out. */
export function definitions(of: Readonly<Record<string, string | null>>): HTMLDListElement {
  const list = element("dl");
  for (const [term, text] of Object.entries(of)) {
    if (text !== null && text !== "") list.append(element("div", {}, element("dt", {}, term), element("dd", {}, text)));
  }
  return list;
}
