// Many programs, each with a registry of its own and all with the same etcd user.
import { type Etcd, startEtcd } from "../../support/etcd.ts";
import { eventually } from "../../support/eventually.ts";
import { type Child, type Runtime, startScript } from "../../support/process.ts";
import { Gateway } from "../registry/gateway.ts";

/** What one program of a fleet is to do. */
export interface Config {
  readonly driver: "connect" | "etcd3";
  readonly endpoints: readonly string[];
  readonly username: string;
  readonly password: string;
  readonly address: string;
  readonly ttlSeconds: number;
}

const USER = { username: "root", password: "secret" } as const;
const PREFIX = "/grpclb/fleet/";

/** How a fleet is made up. */
export interface FleetOptions {
  readonly programs: number;
  readonly runtime: Runtime;
  readonly driver: Config["driver"];
  readonly ttlSeconds: number;
}

/** An etcd with users, and programs that register in it. */
export class Fleet {
  readonly #etcd: Etcd;
  readonly #gateway: Gateway;
  #programs: readonly Child[] = [];

  private constructor(etcd: Etcd) {
    this.#etcd = etcd;
    this.#gateway = new Gateway(etcd.url);
  }

  /** Starts etcd, with users, for a fleet without programs. */
  static async start(): Promise<Fleet> {
    const etcd = await startEtcd();
    const fleet = new Fleet(etcd);
    try {
      await fleet.#gateway.enableAuth(USER.password);
      return fleet;
    } catch (error) {
      await fleet.end();
      throw error;
    }
  }

  /** How long etcd takes for one authentication when it has nothing else to do, in milliseconds. */
  async authenticationMs(): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const startMs = performance.now();
      this.#gateway.login(USER.username, USER.password);
      await this.#gateway.revision();
      times.push(performance.now() - startMs);
    }
    return times.sort((a, b) => a - b)[2]!;
  }

  /**
   * Starts all programs together. Returns how long it took, from when the last one was up, until the last was registered,
   * in milliseconds.
   */
  async register({ programs, runtime, driver, ttlSeconds }: FleetOptions, timeoutMs: number): Promise<number> {
    this.#programs = Array.from({ length: programs }, (_, i) => {
      const address = `10.0.${i >> 8}.${i & 255}:8000`;
      const config: Config = { driver, endpoints: [this.#etcd.url], ...USER, address, ttlSeconds };
      return startScript(runtime, "test/chaos/fleet/program.ts", [JSON.stringify(config)]);
    });
    await Promise.all(this.#programs.map((program) => program.line(/^up$/, { timeoutMs })));
    const upMs = performance.now();
    await Promise.all(this.#programs.map((program) => program.line(/^registered$/, { timeoutMs })));
    return performance.now() - upMs;
  }

  /** Restarts etcd at once; returns how many keys were lost, if only for a moment, within the time that is given. */
  async restart(watchMs: number): Promise<number> {
    const before = await this.#leases();
    await this.#etcd.restart();
    await new Promise((resolve) => setTimeout(resolve, watchMs));
    const after = await eventually("etcd answers", () => this.#leases(), 120_000);
    return [...before].filter(([key, lease]) => after.get(key) !== lease).length;
  }

  /** Lines that programs printed, whatever the lease, with how often. */
  get said(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const line of this.#programs.flatMap(({ lines }) => lines)) {
      const kind = line.replace(/lease [0-9a-f]+/, "lease …");
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return counts;
  }

  async end(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()));
    await this.#etcd.stop();
  }

  /** Which lease each key is on: another one, if it was lost and registered again. */
  async #leases(): Promise<ReadonlyMap<string, string>> {
    return new Map((await this.#gateway.keys(PREFIX)).map(({ key, lease }) => [key, lease]));
  }
}
