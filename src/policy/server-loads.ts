import { Code } from "@connectrpc/connect";
import type { Connection, Outcome } from "../connection/connection.ts";
import { LoadPool } from "./load-pool.ts";
import { loadIn, probeLoad, type ReportedLoad } from "./load-probe.ts";
import { Pace } from "./pace.ts";
import type { CallInfo, PolicyEnvironment, PolicySnapshot } from "./policy.ts";
import { ServerLoad } from "./server-load.ts";

/** Options of {@link ServerLoads}. */
export interface ServerLoadsOptions {
  readonly maxAgeMs: number;
  readonly maxProbesPerSecond: number;
  readonly minServers: number;
}

/** How long a server that does not report its load is not asked again, in milliseconds. */
const SILENCE_MS = 30_000;

/**
 * For how long a server that joined, or was restarted, counts as more loaded than it says, in milliseconds: all clients
 * would choose it at once, and its caches are cold.
 */
const RAMP_MS = 5_000;

/** How far one report moves the average. */
const AVERAGE_SHARE = 0.1;

/** How many servers are drawn for a probe until one can be asked. */
const DRAWS = 3;

/** The codes with which servers fail calls that are not well themselves. */
const UNWELL: ReadonlySet<Code | undefined> = new Set([Code.Unavailable, Code.ResourceExhausted]);

/** What a client knows of the load of its servers: it asks for it, and chooses by it. Nothing of it needs a timer. */
export class ServerLoads {
  readonly #env: PolicyEnvironment;
  readonly #options: ServerLoadsOptions;
  readonly #pool: LoadPool;
  readonly #probes: Pace;
  readonly #reads: Pace;
  readonly #byConnection = new WeakMap<Connection, ServerLoad>();
  /** Those of the newest picker that are not failing. */
  #servers: ServerLoad[] = [];
  /** How many of them do not report. */
  #silent = 0;
  #enough = false;
  /** How many requests of others servers have in flight on average. */
  #averageOthers = 0;
  /** Probes that are sent at the end of this turn. */
  #due = 0;

  constructor(env: PolicyEnvironment, options: ServerLoadsOptions) {
    this.#env = env;
    this.#options = options;
    this.#pool = new LoadPool(options.maxAgeMs);
    this.#probes = new Pace(options.maxProbesPerSecond);
    this.#reads = new Pace(options.maxProbesPerSecond);
  }

  /** Whether there are so many servers that asking them is worth it. */
  get enough(): boolean {
    return this.#enough;
  }

  /** There are other connections, or their states have changed. */
  update(connections: readonly Connection[]): void {
    for (const server of this.#servers) server.inSet = false;
    this.#servers = [];
    this.#silent = 0;
    const newcomers: ServerLoad[] = [];
    let available = 0, established = 0;
    for (const connection of connections) {
      const server = this.#of(connection);
      if (connection.available) available++;
      if (connection.state !== "ready") server.disconnected();
      else if (server.readySinceMs === undefined) newcomers.push(server);
      else established++;
      if (connection.failure !== undefined) continue;
      server.inSet = true;
      this.#servers.push(server);
      if (server.reports === false) this.#silent++;
    }
    // When a client starts, all are new to it, and none of them need be.
    const since = newcomers.length * 4 <= established ? this.#env.now() : -Infinity;
    for (const server of newcomers) server.readySinceMs = since;
    this.#enough = available >= this.#options.minServers;
  }

  #of(connection: Connection): ServerLoad {
    let server = this.#byConnection.get(connection);
    if (server === undefined) this.#byConnection.set(connection, server = new ServerLoad(connection));
    return server;
  }

  /** A connection for a call. Undefined if too little is known, or most servers don't report. */
  pick(call: CallInfo): Connection | undefined {
    if (this.#silent * 2 > this.#servers.length) return undefined;
    return this.#pool.take(call, this.#env.now())?.connection;
  }

  /** An attempt has ended, perhaps with a report. */
  ended(connection: Connection, outcome: Outcome): void {
    const { abandoned, code, end } = outcome;
    const server = this.#of(connection), nowMs = this.#env.now();
    if (UNWELL.has(code)) {
      server.trustedAtMs = nowMs + this.#options.maxAgeMs;
      this.#pool.remove(server);
    } else if (end === "answered" && !abandoned && this.#reads.take(nowMs)) {
      const load = loadIn(outcome.trailer);
      if (load !== undefined) this.#reported(server, load, nowMs);
    }
  }

  /** Whether there may be another probe now; then `probe` should follow. */
  mayProbe(): boolean {
    return this.#probes.take(this.#env.now());
  }

  /** Asks one of the servers, together with the other requests of this turn. */
  probe(): void {
    if (this.#due++ > 0) return;
    queueMicrotask(() => {
      const due = this.#due;
      this.#due = 0;
      for (let i = 0; i < due; i++) this.#probeAny();
    });
  }

  #probeAny(): void {
    const servers = this.#servers, nowMs = this.#env.now();
    for (let i = 0; i < DRAWS; i++) {
      const server = servers[Math.floor(this.#env.random() * servers.length)];
      if (server === undefined || !server.connection.available) continue;
      if (nowMs >= server.probeAtMs) return this.#ask(server, nowMs);
      if (server.reports === false) return this.#guess(server, nowMs);
    }
  }

  #ask(server: ServerLoad, nowMs: number): void {
    const { maxAgeMs } = this.#options;
    const transport = this.#env.transport(server.connection);
    if (transport === undefined) return;
    server.probeAtMs = nowMs + maxAgeMs;
    probeLoad(transport, maxAgeMs, {
      reported: (load) => {
        server.probeAtMs = -Infinity;
        this.#reported(server, load, nowMs);
        // Servers are drawn at random, so that this is the average of all; the answers to calls come from the best.
        this.#averageOthers += (server.others - this.#averageOthers) * AVERAGE_SHARE;
      },
      silent: () => {
        server.probeAtMs = this.#env.now() + SILENCE_MS;
        this.#reports(server, false);
      },
      notServing: () => {
        server.probeAtMs = -Infinity;
        this.#pool.remove(server);
      },
      failed: () => this.#pool.remove(server),
    });
  }

  #reported(server: ServerLoad, { inFlight, latencyMs }: ReportedLoad, atMs: number): void {
    this.#reports(server, true);
    server.inFlight = inFlight;
    server.latencyMs = latencyMs;
    const others = Math.max(0, inFlight - server.connection.inFlight);
    this.#knows(server, Math.max(others, this.#averageOthers * this.#newness(server)), atMs);
  }

  /** 1 for a server that was just started, 0 after {@link RAMP_MS}. */
  #newness({ readySinceMs = -Infinity }: ServerLoad): number {
    return Math.max(0, 1 - (this.#env.now() - readySinceMs) / RAMP_MS);
  }

  /** A server that does not report counts as loaded as the others are on average. */
  #guess(server: ServerLoad, nowMs: number): void {
    this.#knows(server, this.#averageOthers, nowMs);
  }

  #knows(server: ServerLoad, others: number, atMs: number): void {
    server.others = others;
    server.reportedAtMs = atMs;
    if (atMs >= server.trustedAtMs) this.#pool.add(server);
  }

  #reports(server: ServerLoad, reports: boolean): void {
    if (server.inSet) this.#silent += Number(!reports) - Number(server.reports === false);
    server.reports = reports;
  }

  /** For `snapshot()`. */
  describe(connection: Connection): PolicySnapshot {
    const { inFlight, latencyMs, reportedAtMs, reports } = this.#of(connection);
    if (reports !== true) return { reportsLoad: reports };
    return {
      reportsLoad: true,
      reportedInFlight: inFlight,
      reportedLatencyMs: latencyMs === Infinity ? undefined : latencyMs,
      reportAgeMs: this.#env.now() - reportedAtMs,
    };
  }
}
