import type { RegistrationRow, ServerRow, WatchRow } from "../state.ts";
import { programColumn, statusColumn } from "./cells.ts";
import { byId } from "./dom.ts";
import { count, seconds } from "./format.ts";
import type { Model, Row } from "./model.ts";
import { type Column, RowsTable, textColumn } from "./rows-table.ts";
import { registrationStatus } from "./status.ts";

/** What this program keeps in registries and watches there, and the servers that it runs. */
export class RegistryView {
  readonly #model: Model;
  readonly #registrations: RowsTable<RegistrationRow>;
  readonly #watches: RowsTable<WatchRow>;
  readonly #servers: RowsTable<ServerRow>;

  constructor(model: Model) {
    this.#model = model;
    const since = (sinceMs: number | null) => sinceMs === null ? "" : seconds(model.nowMs - sinceMs);
    this.#registrations = tableIn<RegistrationRow>("registrations", "Registrations", "Address", [
      textColumn("Address", ({ address }) => address, { className: "name cut", by: ({ address }) => address }),
      statusColumn("State", registrationStatus, ({ state }) => state),
      textColumn("For", ({ sinceMs }) => since(sinceMs), { className: "number", by: ({ sinceMs }) => sinceMs }),
      textColumn("Lease", ({ ttlSeconds }) => `${ttlSeconds} s`, { className: "number" }),
      textColumn("Renewed", ({ renewedMs }) => renewedMs === null ? "–" : `${since(renewedMs)} ago`, {
        className: "number",
        by: ({ renewedMs }) => renewedMs ?? 0,
      }),
      textColumn("Service", ({ service }) => service, { className: "cut service", by: ({ service }) => service }),
      textColumn("Key", ({ key }) => key ?? "", { className: "cut minor mono key" }),
      programColumn(),
      textColumn("Last error", ({ lastError }) => lastError ?? "", { className: "wide cut minor" }),
    ]);
    this.#watches = tableIn<WatchRow>("watches", "Watched in the registry", "Service", [
      textColumn("Service", ({ service }) => service, { className: "name cut", by: ({ service }) => service }),
      textColumn("Endpoints", ({ endpoints }) => endpoints === null ? "–" : count(endpoints), {
        className: "number",
        by: ({ endpoints }) => endpoints ?? -1,
      }),
      programColumn(),
      statusColumn(
        "Registry",
        ({ stale, staleSinceMs, endpoints }) => {
          if (stale !== null) return { kind: "bad", text: `stale for ${since(staleSinceMs)}: ${stale}` };
          return endpoints === null ? { kind: "off", text: "not read yet" } : { kind: "good", text: "fresh" };
        },
        ({ stale }) => stale ?? "",
        "status wide cut",
      ),
    ]);
    this.#servers = tableIn<ServerRow>("servers", "Servers in this program", "Listens on", [
      textColumn("Listens on", ({ listens }) => listens, { className: "name cut", by: ({ listens }) => listens }),
      statusColumn("State", ({ state, problem }) => {
        if (problem !== null) return { kind: "bad", text: problem };
        return { kind: state === "serving" ? "good" : state === "draining" ? "warn" : "off", text: state };
      }),
      textColumn("Connections", ({ connections }) => count(connections), { className: "number long" }),
      textColumn("In flight", ({ inFlight }) => count(inFlight), { className: "number" }),
      textColumn("Calls", ({ calls }) => count(calls), { className: "number" }),
      textColumn("Failed", ({ failed }) => count(failed), { className: "number" }),
      programColumn(),
      textColumn("", () => "", { className: "wide" }),
    ]);
  }

  show(): void {
    const { registrations, watches, servers } = this.#model;
    showIn("registrations", this.#registrations, registrations);
    showIn("watches", this.#watches, watches);
    showIn("servers", this.#servers, servers);
  }
}

function tableIn<R>(id: string, label: string, title: string, columns: readonly Column<R>[]): RowsTable<R> {
  const table = new RowsTable<R>({ label, columns, order: { title, direction: "ascending" } });
  byId(id).append(table.root);
  return table;
}

function showIn<R>(id: string, table: RowsTable<R>, rows: ReadonlyMap<string, Row<R>>): void {
  byId(id).hidden = rows.size === 0;
  table.show([...rows.values()]);
}
