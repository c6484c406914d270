import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { LoadReport } from "../../gen/grpclb/backend/v1/backend_pb.ts";
import type { Connection } from "../connection/connection.ts";
import { connectAll } from "../policy/circle.ts";
import { utilizationOf } from "../policy/load-report.ts";
import { OutOfBandReports } from "../policy/out-of-band-reports.ts";
import type { Picker, Policy, PolicyEnvironment } from "../policy/policy.ts";
import type { Timer } from "../time/clock.ts";
import type { Turns } from "./turns.ts";

/** A backend whose failures in a row exceed this is left out until it answers again; as in bsm/grpclb. */
const MOST_FAILURES = 2;

/** A server that can be called, and its load. */
export interface Backend {
  readonly address: string;
  /** Its load; less is better. */
  readonly score: number;
}

/** Options of {@link BackendLoads}. */
export interface BackendLoadsOptions {
  /** How often each backend is asked, in milliseconds. */
  readonly intervalMs: number;
  /** How long its answer may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Shared by all that ask backends. */
  readonly turns: Turns;
  /** What `backends` returns may have changed. */
  onChange(): void;
}

/** What one backend says of its load. */
class BackendLoad {
  /** Undefined until it is known. */
  score: number | undefined;
  /** How many questions in a row failed. */
  failures = 0;
  asking = false;
  /** It does not have the service, until it is connected anew. */
  without = false;
}

/**
 * Asks the backends of one target how loaded they are, at an interval. It is the policy of a transport that makes no
 * calls: the transport keeps the connections, and so knows which backends can be reached and are healthy.
 *
 * A backend without `grpclb.backend.v1.LoadReport` is asked for ORCA reports (gRFC A51) instead; the score is then its
 * utilization in percent. One that has neither scores 0.
 */
export class BackendLoads {
  readonly #options: BackendLoadsOptions;
  readonly #loads = new WeakMap<Connection, BackendLoad>();
  /** Undefined until the set is known. */
  #connections: readonly Connection[] | undefined;
  #env: PolicyEnvironment | undefined;
  #reports: OutOfBandReports | undefined;
  #timer: Timer | undefined;

  constructor(options: BackendLoadsOptions) {
    this.#options = options;
  }

  /** For the transport. */
  readonly policy: Policy = (connections, _, env): Picker => {
    this.#connections = connections;
    this.#env = env;
    const { intervalMs } = this.#options;
    this.#reports ??= new OutOfBandReports(env, intervalMs, (connection, report) => {
      this.#heard(connection, 100 * utilizationOf(report));
    });
    connectAll(connections);
    this.#askAll("new");
    this.#timer ??= env.timer(intervalMs, this.#again);
    this.#options.onChange();
    return {
      pick: () => new Error("this transport makes no calls"),
      close: () => {
        this.#reports?.close();
        this.#timer?.cancel();
      },
    };
  };

  /** Whether the set is known, and of each backend either its load or why there is no answer. */
  get settled(): boolean {
    return this.#connections?.every((connection) => {
      const { score, failures } = this.#loadOf(connection);
      return connection.failure !== undefined || score !== undefined || failures > 0;
    }) ?? false;
  }

  /** Those that can be reached, are healthy and have answered; undefined: the set isn't known. */
  get backends(): readonly Backend[] | undefined {
    return this.#connections?.flatMap((connection) => {
      const { score, failures } = this.#loadOf(connection);
      if (!connection.available || score === undefined || failures > MOST_FAILURES) return [];
      return [{ address: connection.endpoint.address, score }];
    });
  }

  readonly #again = (): void => {
    this.#timer = this.#env!.timer(this.#options.intervalMs, this.#again);
    this.#askAll("all");
  };

  #askAll(which: "all" | "new"): void {
    for (const connection of this.#connections ?? []) {
      // Its server may be another one when it is ready again.
      if (connection.state !== "ready") this.#loads.delete(connection);
      const load = this.#loadOf(connection);
      if (load.without) this.#reports!.follow(connection);
      else if (!load.asking && (which === "all" || load.score === undefined && load.failures === 0)) {
        void this.#ask(connection, load);
      }
    }
  }

  async #ask(connection: Connection, load: BackendLoad): Promise<void> {
    const { turns, timeoutMs } = this.#options;
    if (connection.state !== "ready") return;
    load.asking = true;
    try {
      await turns.run(async () => {
        const transport = this.#env!.transport(connection);
        if (transport === undefined) return;
        const { score } = await createClient(LoadReport, transport).load({}, { timeoutMs });
        load.score = Number(score);
        load.failures = 0;
      });
    } catch (error) {
      if (error instanceof ConnectError && error.code === Code.Unimplemented) {
        load.without = true;
        load.score = 0;
        this.#reports!.follow(connection);
      } else {
        load.failures++;
      }
    }
    load.asking = false;
    this.#options.onChange();
  }

  #heard(connection: Connection, score: number): void {
    this.#loadOf(connection).score = score;
    this.#options.onChange();
  }

  #loadOf(connection: Connection): BackendLoad {
    let load = this.#loads.get(connection);
    if (load === undefined) this.#loads.set(connection, load = new BackendLoad());
    return load;
  }
}
