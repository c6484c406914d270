import type { Paint, Style } from "./style.ts";
import { cutToWidth, padToWidth, textWidth } from "./text-width.ts";

/** A cell of a table; its text has no control characters. */
export interface Cell {
  readonly text: string;
  readonly paint?: Paint | undefined;
}

/** What a table is made of: its titles, whether each column is aligned to the right, and its rows. */
export interface TableContent {
  readonly titles: readonly string[];
  readonly right: readonly boolean[];
  readonly rows: readonly (readonly Cell[])[];
}

/** The space between columns. */
const GAP = 2;
/** No column is cut below this width. */
const LEAST_WIDTH = 8;

/**
 * Formats a table for a terminal of that many columns: the widest columns are cut until it fits. Undefined: as wide as
 * it is.
 */
export function formatTable({ titles, right, rows }: TableContent, style: Style, columns?: number): string[] {
  const natural = titles.map((title, i) => {
    return rows.reduce((width, row) => Math.max(width, textWidth(row[i]!.text)), textWidth(title));
  });
  const widths = columns === undefined ? natural : fitted(natural, columns);
  const line = (cells: readonly Cell[]) => {
    const last = cells.length - 1;
    return cells.map(({ text, paint }, i) => {
      const cut = cutToWidth(text, widths[i]!);
      // Painted by itself: the space beside it stays plain.
      const shown = paint === undefined ? cut : style(paint, cut);
      const space = padToWidth("", widths[i]! - textWidth(cut));
      return right[i] ? space + shown : i === last ? shown : shown + space;
    }).join(" ".repeat(GAP)).trimEnd();
  };
  return [line(titles.map((text) => ({ text, paint: "dim" }))), ...rows.map(line)];
}

/** Takes from the widest columns what is too much for a terminal. */
function fitted(natural: readonly number[], columns: number): readonly number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1)) - columns;
  while (excess > 0) {
    const widest = Math.max(...widths);
    if (widest <= LEAST_WIDTH) break;
    const at = widths.indexOf(widest);
    const next = Math.max(LEAST_WIDTH, ...widths.filter((width) => width < widest));
    const take = Math.min(excess, Math.max(1, Math.ceil((widest - next) || 1)));
    widths[at] = Math.max(LEAST_WIDTH, widest - take);
    excess -= widest - widths[at]!;
  }
  return widths;
}
