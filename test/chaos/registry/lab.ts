import { type Etcd, startEtcd, startEtcdCluster } from "../../support/etcd.ts";
import type { Runtime } from "../../support/process.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { Ends } from "../ends.ts";
import { Figures, limitOf, type Outcome } from "../scenario.ts";
import { Client, type Subject } from "./client.ts";
import { Gateway } from "./gateway.ts";
import type { Config, Driver } from "./message.ts";
import { PeerNetwork } from "./peer-network.ts";

export const DRIVERS: readonly Driver[] = ["connect", "etcd3", "gateway"];

/** One thing that happens to etcd, to the path to it or to a program that uses it, and what that program must do. */
export interface RegistryScenario {
  /** How it is named on the command line. */
  readonly name: string;
  /** What happens, for the table's first column. */
  readonly title: string;
  /** What must hold beside what always must, for the table's second column. */
  readonly bound: string;
  /** How long it may take at most, in milliseconds; see {@link limitOf}. */
  readonly limitMs: number;
  /** Makes it happen, to all subjects at once, and notes what each did. */
  run(lab: Lab): Promise<void>;
}

/** What became of a scenario for one subject. */
export interface RegistryOutcome extends Outcome {
  readonly runtime: Runtime;
  readonly driver: Driver;
}

/** What holds after every scenario, whatever happened. */
export const ALWAYS: string = "0 events lost, 1 lease left (none after closing), 0 unhandled rejections, " +
  "the process ends by itself";

/** What a scenario works with: subjects, which all go through the same at the same time, and what they need. */
export class Lab {
  /** Whether to be done in seconds, for `npm test`. */
  readonly quick: boolean;
  readonly #subjects: readonly Subject[];
  readonly #broken = new Set<Subject>();
  readonly #ends = new Ends();

  constructor(subjects: readonly Subject[], quick: boolean) {
    this.#subjects = subjects;
    this.quick = quick;
  }

  /** The TTL, in seconds, of a lease that is to outlast a restart of etcd; on a busy machine that may take long. */
  get outlastingTtl(): number {
    return this.quick ? 60 : 15;
  }

  /** Runs `end` after the scenario. */
  defer(end: () => unknown): void {
    this.#ends.defer(end);
  }

  async etcd(): Promise<{ etcd: Etcd; gateway: Gateway }> {
    this.#ends.checkRunning();
    const etcd = await startEtcd();
    this.defer(() => etcd.stop());
    return { etcd, gateway: new Gateway(etcd.url) };
  }

  /** Three members; `isolate` cuts one of them, by its number, off from the others. */
  async cluster(): Promise<{ members: readonly Etcd[]; isolate(member: number): void }> {
    this.#ends.checkRunning();
    const network = new PeerNetwork();
    const members = await startEtcdCluster(3, { peerPort: (port) => network.join(port) });
    this.defer(() => network.close());
    this.defer(() => Promise.all(members.map((member) => member.stop())));
    return { members, isolate: (member) => network.isolate(member) };
  }

  /** A proxy in front of an etcd for each subject, to be given to `open` by its number. */
  async proxies(url: string): Promise<readonly TcpProxy[]> {
    this.#ends.checkRunning();
    const target = url.replace("http://", "");
    const proxies = await Promise.all(this.#subjects.map(() => startTcpProxy(target)));
    for (const proxy of proxies) this.defer(() => proxy.close());
    return proxies;
  }

  /**
   * Starts the program of each subject. Services and addresses differ by subject unless `config` says otherwise; without
   * a `ttlSeconds` nothing is registered. `each` gives what differs besides, by the subject's number.
   */
  open(config: Partial<Config>, each: (i: number) => Partial<Config> = () => ({})): readonly Client[] {
    this.#ends.checkRunning();
    return this.#subjects.map((subject, i) => {
      const { driver, runtime } = subject;
      const registering = config.ttlSeconds === undefined ? {} : { address: `127.0.0.1:${8_000 + i}` };
      const defaults = { driver, service: `${driver}-${runtime}`, endpoints: [], ttlSeconds: 0, ...registering };
      const client = new Client(subject, { ...defaults, ...config, ...each(i) });
      this.defer(() => client.kill());
      return client;
    });
  }

  /** Does the same with each client at once. One that throws has failed, and is left out from then on. */
  async each<T>(clients: readonly Client[], step: (client: Client, index: number) => Promise<T>): Promise<T[]> {
    const results: T[] = [];
    await Promise.all(clients.map(async (client, i) => {
      const { subject } = client;
      if (this.#broken.has(subject)) return;
      try {
        results[i] = await step(client, i);
      } catch (error) {
        this.#broken.add(subject);
        subject.figures.fail(explain(error));
      }
    }));
    return results;
  }

  /** Waits until each client is registered and sees the given addresses beside its own. */
  async settled(clients: readonly Client[], others: readonly string[] = []): Promise<void> {
    await this.each(clients, async (client) => {
      const { address } = client.config;
      if (address !== undefined) await client.registered();
      await client.sees([...others, ...(address === undefined ? [] : [address])]);
    });
  }

  /** Puts a key into the service of each client, as other servers would. */
  async put(gateway: Gateway, clients: readonly Client[], address: string): Promise<void> {
    await Promise.all(clients.map((client) => gateway.put(client.prefix + address, address)));
  }

  /** What must hold at the end of every scenario. Closes the clients. */
  async judge(clients: readonly Client[], gateway: Gateway): Promise<void> {
    await this.each(clients, (client) => client.judge(gateway));
  }

  async end(): Promise<void> {
    await this.#ends.run((error) => {
      for (const { figures } of this.#subjects) figures.fail(`ending failed: ${explain(error)}`);
    });
  }
}

/** Runs a scenario with the program on each of the runtimes over each of the drivers. */
export async function runScenario(
  scenario: RegistryScenario,
  runtimes: readonly Runtime[],
  drivers: readonly Driver[],
  quick: boolean,
): Promise<readonly RegistryOutcome[]> {
  const startMs = performance.now();
  const subjects = runtimes.flatMap((runtime) =>
    drivers.map((driver) => ({ runtime, driver, figures: new Figures(quick) }))
  );
  const lab = new Lab(subjects, quick);
  const limitMs = limitOf(scenario, quick);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([
      scenario.run(lab),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`it took over ${limitMs} ms`)), limitMs);
      }),
    ]);
  } catch (error) {
    for (const { figures } of subjects) figures.fail(explain(error));
  }
  clearTimeout(timer);
  await lab.end();
  const tookMs = performance.now() - startMs;
  return subjects.map(({ runtime, driver, figures: { figures, broken, details } }) => {
    return { scenario: scenario.name, runtime, driver, figures, broken, details, tookMs };
  });
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? `${error.stack}` : `${error.message}: ${explain(error.cause)}`;
}
