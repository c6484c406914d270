// Clients that nobody here wrote, against this library's server on the runtime of the test.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "../../support/eventually.ts";
import { hasGo } from "../../support/go.ts";
import { grpcGo } from "../../support/grpc-go.ts";
import { pythonWithGrpcio, withoutGrpcio } from "../../support/grpcio.ts";
import { executable, runtime, start } from "../../support/process.ts";
import { type Peer, startPeer } from "../peer.ts";
import { LARGE, TRIES } from "./tries.ts";

const pem = (name: string) => fileURLToPath(new URL(`../../support/tls/${name}.pem`, import.meta.url));
const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

type Security = "plain" | "tls" | "mtls";

interface Client {
  readonly name: string;
  readonly skip?: string | false;
  /** What it leaves out of what all try. */
  readonly without?: readonly string[];
  command(address: string, security: Security): readonly [string, ...string[]];
}

const javascript = (file: string, ...more: string[]) => (address: string, security: Security) =>
  [executable("node"), script(file), address, ...(security === "plain" ? [] : [security]), ...more] as const;

const CLIENTS: readonly Client[] = [
  { name: "grpc-js", command: javascript("grpc-js.ts") },
  { name: "connect-node", command: javascript("connect-node.ts") },
  {
    name: "connect-node with windows of 1,000 bytes",
    without: LARGE,
    command: javascript("connect-node.ts", "--tiny-windows"),
  },
  {
    name: "grpc-go",
    skip: !hasGo() && "there is no Go to build the client with",
    command: (address, security) => {
      const identity = security === "mtls" ? ["--identity", pem("client"), pem("client-key")] : [];
      return [grpcGo("calls"), address, ...(security === "plain" ? [] : ["--tls", pem("ca"), ...identity])];
    },
  },
  {
    name: "grpcio",
    skip: withoutGrpcio(),
    // A thread for each stream is what it takes there.
    without: ["2,000 streams at once"],
    command: (address, security) => {
      const files = security === "plain" ? [] : security === "tls" ? ["ca"] : ["ca", "client", "client-key"];
      return [pythonWithGrpcio(), script("grpcio.py"), address, ...files.map(pem)];
    },
  },
];

for (const security of ["plain", "tls", "mtls"] as const) {
  describe(`as a server ${security === "plain" ? "in plaintext" : `over ${security}`}`, () => {
    let peer: Peer;
    before(async () => {
      const args = security === "plain" ? [] : [`--${security}`];
      peer = await startPeer({ name: "connect-lb", script: "connect-lb", on: runtime }, ...args);
    });
    after(() => peer.stop());

    for (const { name, skip = false, without = [], command } of CLIENTS) {
      it(`serves ${name}`, { skip }, async () => {
        const [program, ...args] = command(peer.address, security);
        const child = start(program, args);
        const killer = setTimeout(() => child.signal("SIGKILL"), 100_000);
        const exit = await child.exited;
        clearTimeout(killer);
        const tried = child.lines.filter((line) => /^(ok|failed) /.test(line));
        assert.deepEqual(tried, Object.keys(TRIES).filter((one) => !without.includes(one)).map((one) => `ok ${one}`));
        assert.deepEqual(exit, { code: 0, signal: null });
        // Of the call that was canceled and the one whose deadline passed, all that arrived: their handlers were told.
        const count = (wanted: string) => peer.child.lines.filter((line) => line === wanted).length;
        assert.ok(count("waits") > 0);
        await eventually("handlers that wait are told", () => count("waits") === count("aborted"));
      });
    }
  });
}
