import type { CallRow } from "../state.ts";
import { Detail } from "./detail.ts";
import { byId, element, setText } from "./dom.ts";
import { count, duration, timeOfDay } from "./format.ts";
import type { Model } from "./model.ts";
import { RowsTable, textColumn } from "./rows-table.ts";
import type { Shown } from "./shown.ts";
import { attemptsTable, drawParts } from "./time-parts.ts";

const TABS = { failed: "Failed", slow: "Slowest" } as const;
/** What the colours of a call's time stand for. */
const LEGEND = { wait: "waiting", server: "to the first byte", read: "the rest", lost: "failed attempt" } as const;

/** The calls that failed or were slow, and where their time went. */
export class CallsView {
  readonly #table: RowsTable<CallRow>;
  readonly #detail: Detail;
  readonly #model: Model;
  readonly #hint: HTMLElement = element("p", { class: "hint" });
  readonly #buttons = new Map<keyof typeof TABS, HTMLButtonElement>();
  #tab: keyof typeof TABS = "failed";
  #shown: Shown | undefined;

  constructor(model: Model) {
    this.#model = model;
    this.#table = new RowsTable<CallRow>({
      label: "Calls",
      order: { title: "At", direction: "descending" },
      select: (id) => this.#select(id),
      columns: [
        textColumn("Method", ({ method }) => method.slice(method.lastIndexOf("/") + 1), {
          className: "name cut",
          by: ({ method }) => method,
        }),
        textColumn("At", ({ startedMs }) => timeOfDay(startedMs), {
          className: "number time",
          by: ({ startedMs }) => startedMs,
        }),
        textColumn("Result", ({ code }) => code, { className: "cut code", by: ({ code }) => code }),
        textColumn("Took", ({ latencyMs }) => duration(latencyMs), {
          className: "number",
          by: ({ latencyMs }) => latencyMs,
        }),
        textColumn("Attempts", (row) => count(attemptsOf(row)), { className: "number minor", by: attemptsOf }),
        {
          title: "Where the time went",
          className: "wide parts",
          make: () => [element("div", { class: "bar" })],
          show: (cell, row) => {
            drawParts(cell.firstElementChild as HTMLElement, row);
            cell.title = row.why;
          },
        },
      ],
    });
    this.#detail = new Detail("call", () => this.#select(undefined));
    const tabs = element("div", { class: "tabs", role: "group", "aria-label": "Which calls" });
    for (const [tab, label] of Object.entries(TABS) as [keyof typeof TABS, string][]) {
      const button = element("button", { type: "button", "aria-pressed": "false" }, label);
      button.addEventListener("click", () => this.#turnTo(tab));
      this.#buttons.set(tab, button);
      tabs.append(button);
    }
    const legend = Object.entries(LEGEND).map(([kind, text]) => element("span", { class: kind }, text));
    tabs.append(element("p", { class: "legend" }, ...legend));
    byId("calls").append(tabs, this.#hint, this.#table.root, this.#detail.root);
  }

  show(shown: Shown): void {
    this.#shown = shown;
    const { calls, services } = this.#model;
    const all = [...calls.values()];
    const rows = all.filter((row) =>
      row[this.#tab] &&
      shown.has(row.service, [row.method, row.code, row.why, ...row.attempts.map(({ address }) => address)])
    );
    byId("calls").hidden = services.size === 0;
    for (const [tab, button] of this.#buttons) {
      button.setAttribute("aria-pressed", `${tab === this.#tab}`);
      setText(button, `${TABS[tab]} (${count(all.filter((row) => row[tab]).length)})`);
    }
    setText(this.#hint, this.#explain(rows.length));
    this.#hint.hidden = rows.length > 0;
    this.#table.root.hidden = rows.length === 0;
    this.#table.show(rows);
    this.#showDetail();
  }

  #explain(shown: number): string {
    if (shown > 0) return "";
    if (![...this.#model.services.values()].some(({ recorded }) => recorded)) {
      return "No transport here has a flight recorder, so nothing is known about single calls. " +
        "createBalancedTransport({ recorder: flightRecorder() }) keeps the last ones.";
    }
    return this.#tab === "failed" ? "None of the recorded calls failed." : "No calls are recorded yet.";
  }

  #turnTo(tab: keyof typeof TABS): void {
    this.#tab = tab;
    this.#table.sort(
      tab === "failed" ? { title: "At", direction: "descending" } : { title: "Took", direction: "descending" },
    );
    if (this.#shown !== undefined) this.show(this.#shown);
  }

  #select(id: string | undefined): void {
    this.#table.selected = this.#table.selected === id ? undefined : id;
    this.#table.refresh();
    this.#showDetail();
  }

  #showDetail(): void {
    const row = this.#model.calls.get(this.#table.selected ?? "");
    if (row === undefined) return this.#detail.hide();
    this.#detail.show(row.method, [element("p", {}, row.why), attemptsTable(row)]);
  }
}

function attemptsOf({ attempts, moreAttempts }: CallRow): number {
  return attempts.length + moreAttempts;
}
