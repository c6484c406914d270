import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { SimpleRequestSchema, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { grpcGo } from "../../test/support/grpc-go.ts";
import { envelope } from "../../test/support/raw-http2/session.ts";
import { find } from "../../test/support/system.ts";
import { TEN_HEADERS } from "../case.ts";
import { type Addresses, type Kind, KINDS, textLength } from "../kind.ts";
import type { Measurement } from "../load.ts";
import { Lines, START_MS, startScript } from "../process.ts";
import { type ServerCase, unitsPerCall } from "./case.ts";
import type { RunningServer } from "./contender.ts";

const run = promisify(execFile);

/** What a stretch of load showed of the client. */
export type LoadResult = Measurement;

/** Latencies of calls, in milliseconds. */
export type Latencies = Pick<Measurement, "p50Ms" | "p99Ms">;

/** What a load needs to know of a case. */
export type LoadCase = Pick<ServerCase, "kind" | "inFlight" | "clientCase" | "fields" | "unit">;

/** Makes calls to a server for about `ms` milliseconds. */
export interface LoadSource {
  run(which: LoadCase, ms: number): Promise<LoadResult>;
  /** The latencies alone, where `run` can't tell them. */
  latencies?(which: LoadCase, ms: number): Promise<Latencies>;
  end(): Promise<void>;
}

/** What makes the calls of a case to a server. @throws Error if it does not start */
export async function startLoad(server: RunningServer, which: ServerCase): Promise<LoadSource> {
  const { name, runtime } = server.contender;
  if (which.load === "h2load") return h2load(server.address);
  if (which.load === "grpc-go" || runtime === "go" && which.load === "own client") {
    return await grpcGoLoad(server.address);
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

/** Calls from h2load. With `tolerate`, which is told, a run in which up to a twentieth of the calls fail counts. */
export function h2load(address: string, tolerate?: (failure: string) => void): H2load {
  return new H2load(address, tolerate);
}

/** Calls from grpc-go's client. @throws Error if it does not start */
export async function grpcGoLoad(address: string): Promise<LoadSource> {
  return await Orders.open(new Lines(grpcGo("load"), [address]));
}

/** A client that takes orders: bench/client.ts, or the one in Go. */
class Orders implements LoadSource {
  readonly #process: Lines;

  private constructor(process: Lines) {
    this.#process = process;
  }

  static async open(process: Lines): Promise<Orders> {
    const ready = await process.next<{ ready: true }>(START_MS);
    if ("error" in ready) throw new Error(`a client did not start: ${ready.error}`);
    return new Orders(process);
  }

  async run({ clientCase, kind, inFlight, fields }: LoadCase, ms: number): Promise<LoadResult> {
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

/** What servers answer with; see routes.ts. */
function answer(kind: Kind): Uint8Array {
  const message = create(SimpleResponseSchema, { code: 200, value: "x".repeat(textLength(kind)) });
  return toBinary(SimpleResponseSchema, message);
}

/** What must go well for a run to count whose failures are tolerated. */
const LEAST_SHARE = 0.95;
/** The share of calls of which a log is written, in a run of their own, because writing it slows h2load down. */
const LOGGED = 0.2;

/** h2load, with two connections unless one call is in flight. */
export class H2load implements LoadSource {
  readonly #url: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "connect-lb-h2load-"));
  readonly #tolerate: ((failure: string) => void) | undefined;
  #rate = 0;

  constructor(address: string, tolerate?: (failure: string) => void) {
    this.#tolerate = tolerate;
    this.#url = `http://${address}/proto.Simple/`;
  }

  async run(which: LoadCase, ms: number): Promise<LoadResult> {
    // A first look at the rate, so that the measured stretch is as long as asked. Its calls take CPU time, too.
    const guess = this.#rate || (which.unit === "message" ? 20 : 500);
    const first = await this.calls(which, guess * ms / 4_000);
    this.#rate = first.callsPerSecond;
    const result = await this.calls(which, this.#rate * ms / 1_000);
    return { ...result, calls: first.calls + result.calls };
  }

  /** Of a shorter run. */
  async latencies(which: LoadCase, ms: number): Promise<Latencies> {
    const log = join(this.#folder, "log");
    await this.calls(which, this.#rate * ms * LOGGED / 1_000, ["--log-file", log]);
    const latencies = readFileSync(log, "latin1").trim().split("\n").map((line) => Number(line.split("\t")[2]));
    rmSync(log);
    latencies.sort((a, b) => a - b);
    const at = (share: number) => latencies[Math.floor(latencies.length * share)]! / 1_000;
    return { p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  /** So many calls. @throws Error if one fails */
  async calls({ kind, inFlight, unit }: LoadCase, count: number, more: readonly string[] = []): Promise<LoadResult> {
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
    const [, time, timeUnit] = /finished in ([\d.]+)(ms|us|s),/.exec(stdout) ?? [];
    const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1]);
    if (succeeded !== calls) this.#failed(`${succeeded} of ${calls} calls succeeded`, succeeded / calls);
    // For h2load that is the status of HTTP; a gRPC error has no message.
    const expected = calls * unitsPerCall({ unit }) * envelope(answer(kind)).length;
    const received = Number(/\((\d+)\) data/.exec(stdout)?.[1]);
    if (received !== expected && succeeded === calls) {
      this.#failed(`${received} bytes of messages came for ${calls} calls, not ${expected}`, received / expected);
    }
    const elapsed = Number(time) * (timeUnit === "ms" ? 1e-3 : timeUnit === "us" ? 1e-6 : 1);
    return { callsPerSecond: calls / elapsed, p50Ms: NaN, p99Ms: NaN, calls, cpuUsPerCall: NaN };
  }

  #failed(failure: string, share: number): void {
    if (this.#tolerate === undefined || !(share >= LEAST_SHARE)) throw new Error(failure);
    this.#tolerate(failure);
  }

  end(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    return Promise.resolve();
  }
}
