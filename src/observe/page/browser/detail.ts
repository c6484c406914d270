import { element, setText } from "./dom.ts";

/** What is known about one row, below its table. */
export class Detail {
  readonly root: HTMLElement;
  readonly #title: HTMLHeadingElement;
  readonly #content: HTMLElement;
  #text = "";

  constructor(what: string, close: () => void) {
    this.#title = element("h3");
    this.#content = element("div");
    const button = element("button", { type: "button", "aria-label": `Close the ${what}` }, "Close");
    button.addEventListener("click", close);
    this.root = element("aside", { class: "detail", "aria-label": `The selected ${what}` });
    this.root.append(element("div", { class: "row" }, this.#title, button), this.#content);
    this.root.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") close();
    });
    this.root.hidden = true;
  }

  hide(): void {
    this.root.hidden = true;
  }

  /** Replaces the content, unless it reads the same. */
  show(title: string, content: readonly HTMLElement[]): void {
    this.root.hidden = false;
    setText(this.#title, title);
    const text = content.map((node) => node.outerHTML).join("");
    if (text === this.#text) return;
    this.#text = text;
    this.#content.replaceChildren(...content);
  }
}
