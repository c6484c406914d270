import { element, setAttribute, setText } from "./dom.ts";
import type { Row } from "./model.ts";
import { inOrder, type Order } from "./order.ts";

/** A column of a table. */
export interface Column<R> {
  readonly title: string;
  /** `number`: aligned at the right; `minor`: left out on narrow screens; `wide`: takes the room that is left. */
  readonly className?: string;
  /** What rows are sorted by; without it they can't be. */
  readonly by?: (row: Row<R>) => number | string;
  /** Creates what `show` fills, once per cell. */
  readonly make?: () => readonly Node[];
  /** Fills a cell. */
  readonly show: (cell: HTMLElement, row: Row<R>) => void;
}

/** What a {@link RowsTable} is made of. */
export interface RowsTableOptions<R> {
  /** What it holds, for those who don't see it. */
  readonly label: string;
  readonly columns: readonly Column<R>[];
  /** By which it is sorted until the user says otherwise: a column's title. */
  readonly order: Order;
  /** The row whose button was pressed; without it there are no buttons. */
  readonly select?: (id: string) => void;
}

/** How many rows above and below those in view are there, too, and how many come and go together while scrolling. */
const BEYOND = 12, STEP = 6;

/**
 * A table of any length, of which only the rows in view are in the document. Rows keep their element while they are in
 * view, and cells change only if their text does.
 */
export class RowsTable<R> {
  readonly root: HTMLElement;
  /** The selected row. */
  selected: string | undefined;
  readonly #options: RowsTableOptions<R>;
  readonly #table: HTMLTableElement;
  readonly #body: HTMLTableSectionElement;
  readonly #above: HTMLTableRowElement = spacer();
  readonly #below: HTMLTableRowElement = spacer();
  #elements = new Map<string, HTMLTableRowElement>();
  #rows: readonly Row<R>[] = [];
  #order: Order;
  #rowHeight = 0;
  /** The index of the first row in the document. */
  #first = 0;

  constructor(options: RowsTableOptions<R>) {
    this.#options = options;
    this.#order = options.order;
    this.#body = element("tbody", {}, this.#above, this.#below);
    this.#table = element("table", { "aria-label": options.label }, this.#head(), this.#body);
    this.root = element(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": options.label },
      this.#table,
    );
    this.root.addEventListener("scroll", () => this.#window("scroll"), { passive: true });
    this.root.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Shows these rows. */
  show(rows: readonly Row<R>[]): void {
    // Nothing moves away from under a pointer or a finger on the keyboard.
    const held = this.#body.matches(":hover, :focus-within");
    const { by } = this.#options.columns.find(({ title }) => title === this.#order.title) ?? {};
    this.#rows = inOrder(rows, by, this.#order, held ? this.#rows : undefined);
    setAttribute(this.#table, "aria-rowcount", `${rows.length + 1}`);
    this.#window();
  }

  /** Shows the same rows again, one of which may be selected now. */
  refresh(): void {
    this.#window();
  }

  /** Sorts by a column. */
  sort(order: Order): void {
    this.#order = order;
    for (const th of this.#table.tHead!.rows[0]!.cells) {
      if (th.textContent === order.title) th.setAttribute("aria-sort", order.direction);
      else th.removeAttribute("aria-sort");
    }
    const rows = this.#rows;
    this.#rows = [];
    this.show(rows);
  }

  /** Puts the rows that are in view, or nearly, into the document. */
  #window(why: "rows" | "scroll" = "rows"): void {
    const rows = this.#rows, height = this.#rowHeight || 28;
    const first = Math.max(0, STEP * Math.floor(this.root.scrollTop / height / STEP) - BEYOND);
    if (why === "scroll" && first === this.#first) return;
    this.#first = first;
    const visible = Math.ceil((this.root.clientHeight || 600) / height) + 2 * BEYOND;
    const last = Math.min(rows.length, first + visible);
    const elements = new Map<string, HTMLTableRowElement>();
    const shown = rows.slice(first, last);
    const ids = new Set(shown.map(({ id }) => id));
    const free = [...this.#elements].filter(([id]) => !ids.has(id)).map(([, tr]) => tr);
    for (const { id } of shown) elements.set(id, this.#elements.get(id) ?? free.pop() ?? this.#makeRow());
    for (const tr of free) tr.remove();
    this.#elements = elements;
    let before: Element = this.#above;
    shown.forEach((row, i) => {
      const tr = elements.get(row.id)!;
      if (before.nextElementSibling !== tr) before.after(tr);
      before = tr;
      // What was there before a scroll is as it was.
      if (why === "rows" || tr.dataset["id"] !== row.id) this.#fill(tr, row, first + i);
    });
    setHeight(this.#above, first * height);
    setHeight(this.#below, (rows.length - last) * height);
    if (this.#rowHeight === 0 && shown.length > 0) {
      this.#rowHeight = elements.get(shown[0]!.id)!.getBoundingClientRect().height;
      if (this.#rowHeight > 0) this.#window();
    }
  }

  #makeRow(): HTMLTableRowElement {
    const { columns, select } = this.#options;
    const tr = element("tr");
    columns.forEach(({ className = "", make }, i) => {
      // The first cell names the row.
      const cell = element(i === 0 ? "th" : "td", i === 0 ? { scope: "row", class: className } : { class: className });
      if (i === 0 && select !== undefined) {
        const button = element("button", { type: "button", "aria-expanded": "false" });
        button.addEventListener("click", () => select(tr.dataset["id"]!));
        cell.append(button);
      } else {
        cell.append(...make?.() ?? []);
      }
      tr.append(cell);
    });
    return tr;
  }

  #fill(tr: HTMLTableRowElement, row: Row<R>, index: number): void {
    if (tr.dataset["id"] !== row.id) tr.dataset["id"] = row.id;
    setAttribute(tr, "aria-rowindex", `${index + 2}`);
    const { columns, select } = this.#options;
    columns.forEach(({ show }, i) => {
      const cell = tr.cells[i]!;
      show(i === 0 && select !== undefined ? cell.firstElementChild as HTMLElement : cell, row);
    });
    if (select !== undefined) {
      setAttribute(tr.cells[0]!.firstElementChild!, "aria-expanded", `${row.id === this.selected}`);
    }
  }

  #head(): HTMLTableSectionElement {
    const tr = element("tr", { "aria-rowindex": "1" });
    for (const { title, className = "", by } of this.#options.columns) {
      const th = element("th", { scope: "col", class: className });
      if (by === undefined) {
        th.append(title);
      } else {
        const button = element("button", { type: "button" }, title);
        button.addEventListener("click", () => this.#sortBy(title));
        th.append(button);
      }
      if (title === this.#order.title) th.setAttribute("aria-sort", this.#order.direction);
      tr.append(th);
    }
    return element("thead", {}, tr);
  }

  #sortBy(title: string): void {
    // Figures begin with the highest, which is what is looked for.
    const isNumber = this.#options.columns.find((column) => column.title === title)?.className?.includes("number");
    const first = isNumber ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = this.#order.title !== title || this.#order.direction === other ? first : other;
    this.sort({ title, direction });
  }

  /** The arrow keys move from row to row, also to those that are not in the document yet. */
  #move(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const tr = (event.target as Element).closest("tbody tr");
    if (step === undefined || !(tr instanceof HTMLElement) || this.#options.select === undefined) return;
    event.preventDefault();
    const from = this.#rows.findIndex(({ id }) => id === tr.dataset["id"]);
    const to = Math.min(Math.max(from + step, 0), this.#rows.length - 1);
    const top = to * this.#rowHeight, { clientHeight, scrollTop } = this.root;
    const head = this.#table.tHead!.getBoundingClientRect().height;
    if (top < scrollTop) this.root.scrollTop = top;
    else if (top + this.#rowHeight + head > scrollTop + clientHeight) {
      this.root.scrollTop = top + this.#rowHeight + head - clientHeight;
    }
    this.#window();
    this.#elements.get(this.#rows[to]!.id)?.querySelector("button")?.focus({ preventScroll: true });
  }
}

function spacer(): HTMLTableRowElement {
  return element("tr", { class: "spacer", "aria-hidden": "true" }, element("td"));
}

function setHeight(tr: HTMLTableRowElement, height: number): void {
  const px = `${height}px`;
  if (tr.style.height !== px) tr.style.height = px;
  tr.hidden = height === 0;
}

/** A column of plain text. */
export function textColumn<R>(
  title: string,
  text: (row: Row<R>) => string,
  more: Partial<Column<R>> = {},
): Column<R> {
  return {
    title,
    ...more,
    show(cell, row) {
      const value = text(row);
      setText(cell, value);
      // What is cut on the screen can be read there.
      if (more.className?.includes("cut")) setAttribute(cell, "title", value);
    },
  };
}
