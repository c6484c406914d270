// What runs in the browser. In your own project import from "connect-lb" and "connect-lb/fetch" in place of "../../src/…",
// and your own generated code. `http://…/#grpc-web` calls with gRPC-Web.
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { fetchConnector } from "../../src/fetch.ts";
import { createBalancedTransport, pollingResolver } from "../../src/index.ts";

const transport = createBalancedTransport({
  // A page can't ask etcd or a DNS server: its own server says where the others are.
  resolver: pollingResolver({
    target: "simple",
    async poll(signal) {
      const response = await fetch("/endpoints", { signal });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const addresses = await response.json() as string[];
      return { endpoints: addresses.map((address) => ({ address })) };
    },
  }),
  connector: fetchConnector({ protocol: location.hash === "#grpc-web" ? "grpc-web" : "connect" }),
});
const client = createClient(Simple, transport);

const byId = (id: string) => document.getElementById(id)!;
const answered = new Map<string, number>();
const rows = new Map<string, HTMLTableRowElement>();
let failed = 0;

async function call(): Promise<void> {
  try {
    const { value: server } = await client.route({ data: "hello" }, { timeoutMs: 5_000 });
    answered.set(server, (answered.get(server) ?? 0) + 1);
  } catch (error) {
    byId("failed").textContent = `${++failed}`;
    byId("error").textContent = String(error);
  }
  show();
}

function show(): void {
  for (const { endpoint: { address }, state } of transport.snapshot().endpoints ?? []) {
    const { cells } = rows.get(address) ?? addRow(address);
    cells[1]!.textContent = cells[1]!.className = state;
    cells[2]!.textContent = `${answered.get(address) ?? 0}`;
  }
}

function addRow(address: string): HTMLTableRowElement {
  const row = document.createElement("tr");
  for (const text of [address, "", ""]) row.insertCell().textContent = text;
  const buttons = row.insertCell();
  for (const action of ["stop", "start"]) {
    const button = document.createElement("button");
    button.textContent = action;
    button.onclick = () => void fetch(`/${action}/${address}`, { method: "POST" });
    buttons.append(button);
  }
  byId("servers").append(row);
  rows.set(address, row);
  return row;
}

setInterval(() => void call(), 100);
