import type { EndpointRow } from "../state.ts";
import { programName, rateColumn, statusColumn } from "./cells.ts";
import { Detail } from "./detail.ts";
import { byId, definitions } from "./dom.ts";
import { count, duration } from "./format.ts";
import type { Model, Row } from "./model.ts";
import { RowsTable, textColumn } from "./rows-table.ts";
import type { Shown } from "./shown.ts";
import { endpointReason, endpointStatus, severity } from "./status.ts";

/** One line per endpoint: how it is, what it does, and why it is held back. */
export class EndpointsView {
  readonly #table: RowsTable<EndpointRow>;
  readonly #detail: Detail;
  readonly #model: Model;

  constructor(model: Model) {
    this.#model = model;
    const status = (row: Row<EndpointRow>) => endpointStatus(row, model.nowMs);
    this.#table = new RowsTable<EndpointRow>({
      label: "Endpoints",
      order: { title: "State", direction: "ascending" },
      select: (id) => this.#select(id),
      columns: [
        textColumn("Address", ({ address }) => address, { className: "name cut", by: ({ address }) => address }),
        statusColumn("State", status, (row) => severity(status(row))),
        textColumn("Service", ({ service }) => this.#serviceOf(service), {
          className: "minor cut service",
          by: ({ service }) => this.#serviceOf(service),
        }),
        textColumn("Zone", ({ zone }) => zone ?? "", { className: "minor cut zone", by: ({ zone }) => zone ?? "" }),
        textColumn("Weight", ({ weight }) => weight === null ? "" : `${weight}`, {
          className: "number minor weight",
          by: ({ weight }) => weight ?? -1,
        }),
        textColumn("In flight", ({ inFlight }) => count(inFlight), {
          className: "number",
          by: ({ inFlight }) => inFlight,
        }),
        rateColumn("Attempts/s", "rate", ({ id }) => model.rateOf(id)),
        rateColumn("Errors/s", "errors", ({ id }) => model.errorsOf(id)),
        textColumn("p50", ({ p50Ms }) => duration(p50Ms), { className: "number", by: ({ p50Ms }) => p50Ms ?? -1 }),
        textColumn("p99", ({ p99Ms }) => duration(p99Ms), { className: "number", by: ({ p99Ms }) => p99Ms ?? -1 }),
        textColumn("Why", endpointReason, { className: "wide cut minor" }),
      ],
    });
    this.#detail = new Detail("endpoint", () => this.#select(undefined));
    byId("endpoints").append(this.#table.root, this.#detail.root);
  }

  show(shown: Shown): void {
    const all = [...this.#model.endpoints.values()];
    const rows = all.filter((row) =>
      shown.has(row.service, [row.address, row.zone, row.state, endpointReason(row), this.#serviceOf(row.service)]) &&
      (!shown.problems || endpointStatus(row, this.#model.nowMs).kind !== "good")
    );
    const section = byId("endpoints");
    section.hidden = all.length === 0;
    section.classList.toggle("one-service", this.#model.services.size < 2);
    section.classList.toggle("no-zones", all.every(({ zone }) => zone === null));
    section.classList.toggle("no-weights", all.every(({ weight }) => weight === null));
    this.#table.show(rows);
    this.#showDetail();
  }

  #select(id: string | undefined): void {
    this.#table.selected = this.#table.selected === id ? undefined : id;
    this.#table.refresh();
    this.#showDetail();
  }

  #showDetail(): void {
    const row = this.#model.endpoints.get(this.#table.selected ?? "");
    if (row === undefined) return this.#detail.hide();
    const { text } = endpointStatus(row, this.#model.nowMs);
    this.#detail.show(row.address, [definitions({
      state: text,
      why: endpointReason(row),
      service: this.#serviceOf(row.service),
      authority: row.authority,
      TLS: row.secure === null ? null : row.secure ? "yes" : "no",
      zone: row.zone,
      weight: row.weight === null ? null : `${row.weight}`,
      "attempts so far": count(row.attempts),
      "of them failed": count(row.failed),
      "of them abandoned": count(row.abandoned),
      "p50, p99": row.p50Ms === null ? null : `${duration(row.p50Ms)}, ${duration(row.p99Ms)}`,
      policy: row.policy,
      "last error": row.lastError,
    })]);
  }

  #serviceOf(id: string): string {
    const { target = "", program = null } = this.#model.services.get(id) ?? {};
    return program === null ? target : `${target} of ${programName(program)}`;
  }
}
