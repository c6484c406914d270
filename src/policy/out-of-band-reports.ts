import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import type { Connection } from "../connection/connection.ts";
import { Backoff } from "../time/backoff.ts";
import type { LoadReport } from "./load-report.ts";
import type { PolicyEnvironment } from "./policy.ts";

/** gRPC's connection backoff, as in its other implementations. */
const BACKOFF = { initialMs: 1_000, maxMs: 120_000 };

/**
 * Asks servers for load reports at an interval, beside the calls (gRFC A51): one stream of `OpenRcaService` for each
 * connection that is ready, as long as it is.
 */
export class OutOfBandReports {
  readonly #env: PolicyEnvironment;
  readonly #periodMs: number;
  readonly #onReport: (connection: Connection, report: LoadReport) => void;
  /** The connections that have a stream, or wait for the next one. */
  readonly #followed = new Set<Connection>();
  /** Those whose servers don't have the service, until they are connected anew. */
  readonly #without = new WeakSet<Connection>();
  readonly #closing = new AbortController();

  constructor(
    env: PolicyEnvironment,
    periodMs: number,
    onReport: (connection: Connection, report: LoadReport) => void,
  ) {
    this.#env = env;
    this.#periodMs = periodMs;
    this.#onReport = onReport;
  }

  /** The state of a connection may have changed. */
  follow(connection: Connection): void {
    if (connection.state !== "ready") this.#without.delete(connection);
    else if (!this.#followed.has(connection) && !this.#without.has(connection)) void this.#follow(connection);
  }

  close(): void {
    this.#closing.abort(new Error("the transport is closed"));
  }

  async #follow(connection: Connection): Promise<void> {
    const backoff = new Backoff(BACKOFF, () => this.#env.random());
    this.#followed.add(connection);
    while (await this.#read(connection, backoff)) await this.#pause(backoff.next());
    this.#followed.delete(connection);
  }

  /** Reads a stream to its end. Resolves to whether there may be another one. */
  async #read(connection: Connection, backoff: Backoff): Promise<boolean> {
    const { signal } = this.#closing;
    const transport = signal.aborted ? undefined : this.#env.transport(connection);
    if (transport === undefined) return false;
    try {
      const seconds = Math.floor(this.#periodMs / 1_000);
      const reportInterval = { seconds: BigInt(seconds), nanos: Math.round((this.#periodMs - seconds * 1_000) * 1e6) };
      const reports = createClient(OpenRcaService, transport).streamCoreMetrics({ reportInterval }, { signal });
      for await (const report of reports) {
        backoff.reset();
        this.#onReport(connection, report);
      }
    } catch (error) {
      if (error instanceof ConnectError && error.code === Code.Unimplemented) {
        this.#without.add(connection);
        return false;
      }
    }
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#closing;
      const end = () => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = this.#env.timer(ms, end);
      signal.addEventListener("abort", end);
    });
  }
}
