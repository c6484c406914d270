// A backend: listens on one port per kind of answer, prints their addresses as a line of JSON, and ends with its stdin.
import { createServer } from "node:net";
import process from "node:process";
import { type Kind, KINDS } from "../kind.ts";
import { Connection } from "./connection.ts";

const addresses: Partial<Record<Kind, string>> = {};
for (const kind of KINDS) {
  const server = createServer({ noDelay: true }, (socket) => new Connection(socket, kind));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  addresses[kind] = `127.0.0.1:${(server.address() as { port: number }).port}`;
}
process.stdout.write(`${JSON.stringify(addresses)}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
