import { element, setText } from "./dom.ts";
import { rate } from "./format.ts";
import type { History } from "./history.ts";
import type { Row } from "./model.ts";
import { type Column, textColumn } from "./rows-table.ts";
import { draw, sparkline } from "./sparkline.ts";
import { showStatus, type Status, statusNodes } from "./status.ts";

/** A column of a rate and its last samples. The figure is the rate now, or for errors, which are rare, the mean. */
export function rateColumn<R>(
  title: string,
  className: "rate" | "errors",
  historyOf: (row: Row<R>) => History,
): Column<R> {
  const figure = (history: History) => className === "errors" ? history.wholeRate : history.rate;
  return {
    title,
    className: `number ${className}`,
    by: (row) => figure(historyOf(row)),
    make: () => [sparkline(className), element("span", { class: "figure" })],
    show(cell, row) {
      const history = historyOf(row);
      draw(cell.firstElementChild!, history.rates);
      setText(cell.lastElementChild!, rate(figure(history)));
    },
  };
}

/** A column of a status. */
export function statusColumn<R>(
  title: string,
  statusOf: (row: Row<R>) => Status,
  by?: (row: Row<R>) => number | string,
  className: string = "status",
): Column<R> {
  return {
    title,
    className,
    ...by !== undefined && { by },
    make: statusNodes,
    show(cell, row) {
      const status = statusOf(row);
      showStatus(cell, status);
      if (className.includes("cut")) cell.title = status.text;
    },
  };
}

/** A column of the program that a row is from. It is hidden unless there are several. */
export function programColumn<R extends { readonly program: string | null }>(): Column<R> {
  return textColumn("Program", ({ program }) => programName(program), {
    className: "minor cut program",
    by: ({ program }) => program ?? "",
  });
}

/** Where a program's page is, in short. */
export function programName(program: string | null): string {
  if (program === null) return "this one";
  return URL.canParse(program) ? new URL(program).host : program;
}
