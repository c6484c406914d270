import type { ServiceRow } from "../state.ts";
import { programColumn, rateColumn, statusColumn } from "./cells.ts";
import { byId } from "./dom.ts";
import { count, duration } from "./format.ts";
import type { Model, Row } from "./model.ts";
import { RowsTable, textColumn } from "./rows-table.ts";
import { endpointStatus, severity, sourceStatus } from "./status.ts";

/** How many of a service's endpoints there are, and how many serve. */
export interface Serving {
  total: number;
  ready: number;
}

/** One line per service. Pressing one leaves only its endpoints, calls and events. */
export class ServicesView {
  readonly #table: RowsTable<ServiceRow>;
  readonly #model: Model;
  #serving = new Map<string, Serving>();

  constructor(model: Model, select: (id: string | undefined) => void) {
    this.#model = model;
    const serving = ({ id }: Row<ServiceRow>) => this.#serving.get(id) ?? { total: 0, ready: 0 };
    const source = (row: Row<ServiceRow>) => sourceStatus(row, model.nowMs);
    this.#table = new RowsTable<ServiceRow>({
      label: "Services",
      order: { title: "Service", direction: "ascending" },
      select: (id) => {
        this.#table.selected = this.#table.selected === id ? undefined : id;
        select(this.#table.selected);
      },
      columns: [
        textColumn("Service", ({ target }) => target, { className: "name cut", by: ({ target }) => target }),
        statusColumn("Serving", (row) => {
          const { ready, total } = serving(row);
          const kind = !row.known ? "off" : ready === 0 ? "bad" : row.panic || ready < total ? "warn" : "good";
          return { kind, text: `${count(ready)} of ${count(total)}${row.panic ? ", panic" : ""}` };
        }, (row) => serving(row).ready - serving(row).total),
        rateColumn("Calls/s", "rate", ({ id }) => model.rateOf(id)),
        rateColumn("Errors/s", "errors", ({ id }) => model.errorsOf(id)),
        textColumn("p50", ({ p50Ms }) => duration(p50Ms), { className: "number", by: ({ p50Ms }) => p50Ms ?? -1 }),
        textColumn("p99", ({ p99Ms }) => duration(p99Ms), { className: "number", by: ({ p99Ms }) => p99Ms ?? -1 }),
        textColumn("Waiting", ({ waiting }) => count(waiting), {
          className: "number minor",
          by: ({ waiting }) => waiting,
        }),
        statusColumn("Source", source, (row) => severity(source(row)), "status wide cut"),
        programColumn(),
      ],
    });
    byId("services").append(this.#table.root);
  }

  show(): void {
    const { services, endpoints } = this.#model;
    const serving = this.#serving = new Map<string, Serving>();
    for (const id of services.keys()) serving.set(id, { total: 0, ready: 0 });
    for (const row of endpoints.values()) {
      const of = serving.get(row.service);
      if (of === undefined) continue;
      of.total++;
      if (endpointStatus(row, this.#model.nowMs).kind === "good") of.ready++;
    }
    const rows = [...services.values()];
    byId("services").hidden = rows.length === 0;
    this.#table.show(rows);
  }

  /** All endpoints together. */
  get total(): Serving {
    const total = { total: 0, ready: 0 };
    for (const of of this.#serving.values()) {
      total.total += of.total;
      total.ready += of.ready;
    }
    return total;
  }
}
