// Servers that do what they must not, or what only few do: `peer.ts goaway --ledger <file>`. It says where they listen in
// a line "peers {name: address}": three of a kind, or one each of all kinds of garbage.
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { SimpleRequestSchema } from "../../gen/simple_pb.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import { envelope } from "../support/raw-http2/session.ts";
import { kindOf, MESSAGES } from "./calls.ts";
import { LedgerWriter } from "./ledger.ts";
import { response } from "./peers/echo.ts";
import { garbage, playGarbage } from "./peers/garbage.ts";
import { endless, goaway, limit, type Peer, refuse } from "./peers/strict.ts";

const { values, positionals: [name = ""] } = parseArgs({
  options: { ledger: { type: "string" }, port: { type: "string" } },
  allowPositionals: true,
});
const ledger = new LedgerWriter(values.ledger!);
const strict: Readonly<Record<string, Peer>> = { goaway, refuse, limit, endless };

/** Where each kind of them listens. */
const addresses: Record<string, string> = {};
if (name === "garbage") {
  for (const [kind, bad] of Object.entries(garbage)) {
    addresses[kind] = (await startRawServer((session) => playGarbage(bad, session))).address;
  }
} else if (name === "timeouts") {
  addresses[name] = await startTimeouts();
} else {
  const play = strict[name];
  if (play === undefined) throw new Error(`no server "${name}": expected garbage, timeouts, ${Object.keys(strict)}`);
  for (let i = 0; i < 3; i++) {
    addresses[`${name} ${i}`] = (await startRawServer((session) => play(session, ledger))).address;
  }
}
console.log(`peers ${JSON.stringify(addresses)}`);
console.log("listening 0");
// Ends with the process that started it, also when that is killed.
process.stdin.on("end", () => process.exit(0)).resume();

/** A server that writes down what every request says of its time-out, and answers it at once. */
async function startTimeouts(): Promise<string> {
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    ledger.event(`timeout ${headers["grpc-timeout"] ?? "none"}`);
    stream.on("error", () => {});
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.on("data", (bytes: Uint8Array) => {
      const { data } = fromBinary(SimpleRequestSchema, bytes.subarray(5));
      for (let i = 0; i < (kindOf(data) === "serverStream" ? MESSAGES : 1); i++) stream.write(envelope(response(data)));
      stream.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
