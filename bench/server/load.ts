import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { SimpleRequestSchema } from "../../gen/simple_pb.ts";
import { grpcGo } from "../../test/support/grpc-go.ts";
import { envelope } from "../../test/support/raw-http2/session.ts";
import { find } from "../../test/support/system.ts";
import { TEN_HEADERS } from "../case.ts";
import { type Addresses, KINDS, textLength } from "../kind.ts";
import type { Measurement } from "../load.ts";
import { Lines, startScript } from "../process.ts";
import type { ServerCase } from "./case.ts";
import type { RunningServer } from "./contender.ts";

const run = promisify(execFile);

/** What a stretch of load showed of the client. */
export type LoadResult = Pick<Measurement, "callsPerSecond" | "p99Ms" | "calls" | "cpuUsPerCall">;

/** Makes calls to a server for about `ms` milliseconds. */
export interface LoadSource {
  run(which: ServerCase, ms: number): Promise<LoadResult>;
  /** The p99 alone, in milliseconds, where `run` can't tell it. */
  p99?(which: ServerCase, ms: number): Promise<number>;
  end(): Promise<void>;
}

/** What makes the calls of a case to a server. @throws Error if it does not start */
export async function startLoad(server: RunningServer, which: ServerCase): Promise<LoadSource> {
  const { name, runtime } = server.contender;
  if (which.load === "h2load") return new H2load(server.address);
  if (which.load === "grpc-go" || runtime === "go" && which.load === "own client") {
    return await Orders.open(new Lines(grpcGo("load"), [server.address]));
  }
  const addresses: Partial<Record<string, readonly string[]>> = {};
  for (const kind of KINDS) addresses[kind] = [server.address];
  const own = which.load === "own client" && runtime !== "go";
  const contender = own && name === "grpc-js"
    ? "grpc-js"
    : own && name === "connect-node"
    ? "connect-node"
    : "connect-lb-direct";
  const args = [contender, JSON.stringify(addresses as Addresses)];
  return await Orders.open(startScript(own ? runtime : "node", "client.ts", args));
}

/** A client that takes orders: bench/client.ts, or the one in Go. */
class Orders implements LoadSource {
  readonly #process: Lines;

  private constructor(process: Lines) {
    this.#process = process;
  }

  static async open(process: Lines): Promise<Orders> {
    const ready = await process.next<{ ready: true }>(20_000);
    if ("error" in ready) throw new Error(`a client did not start: ${ready.error}`);
    return new Orders(process);
  }

  async run({ clientCase, kind, inFlight, fields }: ServerCase, ms: number): Promise<LoadResult> {
    const more = fields ? { timeoutMs: 10_000, headers: TEN_HEADERS } : {};
    const order = { do: "run", case: clientCase, kind, inFlight, ms, ...more };
    const answer = await this.#process.ask<Measurement>(order, ms + 20_000);
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  }

  async end(): Promise<void> {
    this.#process.child.stdin!.write('{"do":"close"}\n');
    await this.#process.end();
  }
}

/** The share of calls of which a log is written, in a run of their own, because writing it slows h2load down. */
const LOGGED = 0.2;

/** h2load, with two connections unless one call is in flight. */
class H2load implements LoadSource {
  readonly #url: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "connect-lb-h2load-"));
  #rate = 0;

  constructor(address: string) {
    this.#url = `http://${address}/proto.Simple/`;
  }

  async run(which: ServerCase, ms: number): Promise<LoadResult> {
    // A first look at the rate, so that the measured stretch is as long as asked. Its calls take CPU time, too.
    const guess = this.#rate || (which.unit === "message" ? 20 : 500);
    const first = await this.#calls(which, guess * ms / 4_000);
    this.#rate = first.callsPerSecond;
    const result = await this.#calls(which, this.#rate * ms / 1_000);
    return { ...result, calls: first.calls + result.calls };
  }

  /** The p99 of a shorter run, in milliseconds. */
  async p99(which: ServerCase, ms: number): Promise<number> {
    const log = join(this.#folder, "log");
    await this.#calls(which, this.#rate * ms * LOGGED / 1_000, ["--log-file", log]);
    const latencies = readFileSync(log, "latin1").trim().split("\n").map((line) => Number(line.split("\t")[2]));
    rmSync(log);
    latencies.sort((a, b) => a - b);
    return latencies[Math.floor(latencies.length * 0.99)]! / 1_000;
  }

  async #calls({ kind, inFlight }: ServerCase, count: number, more: readonly string[] = []): Promise<LoadResult> {
    const path = join(this.#folder, kind);
    const message = create(SimpleRequestSchema, { data: "x".repeat(textLength(kind)) });
    writeFileSync(path, envelope(toBinary(SimpleRequestSchema, message)));
    const connections = inFlight === 1 ? 1 : 2;
    const calls = Math.max(inFlight, Math.round(count));
    const method = kind.startsWith("server-stream") ? "RouteServerStream" : "Route";
    const { stdout } = await run(find("h2load")!, [
      ...["-n", `${calls}`, "-c", `${connections}`, "-m", `${inFlight / connections}`, "-d", path, ...more],
      // Large windows: otherwise a stream waits for WINDOW_UPDATE frames, and grpc-go's answers go out one by one.
      ...["-w", "30", "-W", "30", "-H", "content-type: application/grpc", "-H", "te: trailers", this.#url + method],
    ], { timeout: 60_000, killSignal: "SIGKILL" });
    const [, seconds] = /finished in ([\d.]+)(ms|us|s),/.exec(stdout) ?? [];
    const unit = /finished in [\d.]+(ms|us|s),/.exec(stdout)?.[1];
    const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1]);
    if (succeeded !== calls) throw new Error(`${succeeded} of ${calls} calls succeeded`);
    const elapsed = Number(seconds) * (unit === "ms" ? 1e-3 : unit === "us" ? 1e-6 : 1);
    return { callsPerSecond: calls / elapsed, p99Ms: NaN, calls, cpuUsPerCall: NaN };
  }

  end(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    return Promise.resolve();
  }
}
