import { shownText } from "../shown-text.ts";
import type { Context } from "./command.ts";
import { jsonText } from "./json.ts";
import { type Paint, type Style, styleOf } from "./style.ts";
import { type Cell, formatTable } from "./table.ts";

/** How a command prints its data. */
export type Format = "table" | "json" | "name";

/** The options of commands that print data. */
export const OUTPUT_OPTIONS = {
  output: {
    type: "string",
    short: "o",
    value: "FORMAT",
    choices: ["table", "json", "name"],
    default: "table",
    help: "how to print: table, json, or name for the names alone",
  },
} as const;

/** A column of a table. It is left out if it has no text in any row. */
export interface Column<Row> {
  readonly title: string;
  /** Its text in a row; undefined or "" for none. It is escaped and may come from anywhere. */
  text(row: Row): string | undefined;
  paint?(row: Row): Paint | undefined;
  /** Whether it is aligned to the right, as numbers are. */
  readonly right?: true;
}

/** How rows are printed in each format. */
export interface View<Row> {
  readonly columns: readonly Column<Row>[];
  name(row: Row): string;
  /** What is printed as JSON. Defaults to the row itself. */
  json?(row: Row): unknown;
}

/** How the rows of a stream are printed in each format. */
export interface StreamView<Row> {
  /** Its text, in parts that are escaped and may be painted. */
  line(row: Row): readonly Cell[];
  name(row: Row): string;
  /** What is printed as JSON. Defaults to the row itself. */
  json?(row: Row): unknown;
}

/** The data of a command on standard output, in the format that the user chose. */
export class Output {
  readonly format: Format;
  readonly style: Style;
  readonly #context: Context<typeof OUTPUT_OPTIONS>;

  constructor(context: Context<typeof OUTPUT_OPTIONS>) {
    this.#context = context;
    this.format = context.options.output as Format;
    this.style = styleOf(context.io.stdout, context.io);
  }

  /** Prints a list: a table, one JSON array, or a name per line. */
  list<Row>(rows: readonly Row[], view: View<Row>): void {
    if (this.format === "json") return this.json(rows.map((row) => view.json === undefined ? row : view.json(row)));
    if (this.format === "name") return this.#lines(rows.map((row) => shownText(view.name(row), Infinity)));
    const columns = view.columns.filter((column) => rows.some((row) => (column.text(row) ?? "") !== ""));
    const table = {
      titles: columns.map(({ title }) => title),
      right: columns.map(({ right }) => right === true),
      rows: rows.map((row) => columns.map((column) => cellOf(column, row))),
    };
    this.#lines(formatTable(table, this.style, this.#context.io.stdout.columns));
  }

  /** Prints one row of a stream: a line, a line of JSON (NDJSON), or a name. */
  item<Row>(row: Row, view: StreamView<Row>): void {
    if (this.format === "json") this.#lines([jsonText(view.json === undefined ? row : view.json(row))]);
    else if (this.format === "name") this.#lines([shownText(view.name(row), Infinity)]);
    else {
      const parts = view.line(row).filter(({ text }) => text !== "");
      this.#lines([
        parts.map(({ text, paint }) => {
          const shown = shownText(text);
          return paint === undefined ? shown : this.style(paint, shown);
        }).join("  ").trimEnd(),
      ]);
    }
  }

  /** Prints one JSON document, over several lines. */
  json(value: unknown): void {
    this.#lines([jsonText(value, 2)]);
  }

  #lines(lines: readonly string[]): void {
    if (lines.length > 0) this.#context.io.stdout.write(`${lines.join("\n")}\n`);
  }
}

function cellOf<Row>(column: Column<Row>, row: Row): Cell {
  const text = column.text(row) ?? "";
  return text === "" ? { text: "-", paint: "dim" } : { text: shownText(text), paint: column.paint?.(row) };
}
