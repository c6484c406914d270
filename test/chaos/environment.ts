import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  type BalancedTransport,
  type BalancedTransportOptions,
  createBalancedTransport,
  staticResolver,
} from "../../src/index.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node.ts";
import type { Runtime } from "../support/process.ts";
import { type Caller, caller } from "./calls.ts";
import { Ends } from "./ends.ts";
import { Ledger } from "./ledger.ts";
import { Observed } from "./observed.ts";
import { Figures } from "./scenario.ts";
import { ServerProcess } from "./server-process.ts";
import type { ThroughProxy } from "./through-proxy.ts";

const SERVER = "test/chaos/server.ts";
const PEER = "test/chaos/peer.ts";
const PROXY = "test/chaos/proxy.ts";
const SICK_SERVER = "test/chaos/sick-server.ts";
export const RUNTIMES: readonly Runtime[] = ["node", "bun", "deno"];

/** A balanced transport over gRPC to fixed addresses; the caller closes it. */
export function createTransport(
  addresses: readonly string[],
  options: Partial<BalancedTransportOptions> = {},
  link: GrpcConnectorOptions = {},
): BalancedTransport {
  const resolver = staticResolver([...addresses]);
  return createBalancedTransport({ resolver, connector: grpcConnector(link), ...options });
}

/** What scenarios played by one process have in common. */
export interface Stage {
  /** Whether to be done in a second or two, for `npm test`. */
  readonly quick: boolean;
  /** Where ledgers go. */
  readonly folder: string;
  /** Ordinary servers that go on from scenario to scenario, which saves their start. Undefined: each has its own. */
  readonly servers: Map<Runtime, ServerProcess> | undefined;
  /** The same for servers that fall ill when they are asked to, by runtime and arguments. */
  readonly sickServers: Map<string, ServerProcess> | undefined;
  /** Clients whose calls go through a proxy in front of what is tried. Undefined: this library's client calls directly. */
  readonly through: ThroughProxy | undefined;
}

/** What a scenario works with; all of it is ended after the scenario, in the reverse order. */
export class Environment {
  readonly figures: Figures;
  readonly quick: boolean;
  readonly #stage: Stage;
  readonly #servers: ServerProcess[] = [];
  readonly #ends = new Ends();
  readonly #unexpected: string[] = [];

  constructor(stage: Stage) {
    this.#stage = stage;
    this.quick = stage.quick;
    this.figures = new Figures(stage.quick);
    for (const event of ["uncaughtException", "unhandledRejection"]) {
      const listener = (error: unknown) => this.#unexpected.push(`${event}: ${(error as Error)?.stack ?? error}`);
      process.on(event, listener);
      this.defer(() => process.off(event, listener));
    }
  }

  /** Runs `end` after the scenario. */
  defer(end: () => unknown): void {
    this.#ends.defer(end);
  }

  /** Starts ordinary servers, one on each of the runtimes named, with the given arguments beside ledger and port. */
  servers(runtimes: readonly Runtime[], args: readonly string[] = []): Promise<readonly ServerProcess[]> {
    const shared = args.length === 0 ? this.#stage.servers : undefined;
    return Promise.all(runtimes.map(async (runtime) => {
      if (shared === undefined) return await this.#start(runtime, SERVER, args);
      let server = shared.get(runtime);
      if (server === undefined) shared.set(runtime, server = this.#server(runtime, SERVER, args));
      this.#servers.push(server);
      this.defer(() => server.thaw());
      if (!server.running) await server.start();
      return server;
    }));
  }

  /** Starts servers that do what they must not, or what only few do; gives their addresses. See peer.ts. */
  async peers(name: string): Promise<Readonly<Record<string, string>>> {
    const process = await this.#start("node", PEER, [name]);
    return JSON.parse((await process.line(/^peers (.*)$/))[1]!) as Record<string, string>;
  }

  /** Starts servers that fall ill when they are asked to, so many on each runtime; gives their addresses. */
  async sickServers(counts: readonly (readonly [runtime: Runtime, count: number])[]): Promise<readonly string[]> {
    const addresses = await Promise.all(counts.map(async ([runtime, count]) => {
      const server = await this.#sickServer(runtime, ["--count", String(count)]);
      return JSON.parse((await server.line(/^peers (.*)$/))[1]!) as string[];
    }));
    return addresses.flat();
  }

  /** Starts a proxy in front of servers, in a process of its own on a runtime. */
  proxy(runtime: Runtime, to: readonly string[]): Promise<ServerProcess> {
    return this.#start(runtime, PROXY, ["--to", to.join()]);
  }

  /** What makes calls over a transport: this library's client, or others through a proxy in front of it. */
  async caller(transport: BalancedTransport): Promise<Caller> {
    const { through } = this.#stage;
    if (through === undefined) return caller(transport);
    const { call, close } = await through.inFrontOf(transport);
    this.defer(close);
    return call;
  }

  /** The clients whose calls go through proxies. @throws Error if this run has none */
  get through(): ThroughProxy {
    if (this.#stage.through === undefined) throw new Error("this scenario is about proxies: add --through-proxy");
    return this.#stage.through;
  }

  async #sickServer(runtime: Runtime, args: readonly string[]): Promise<ServerProcess> {
    const shared = this.#stage.sickServers, name = `${runtime} ${args.join(" ")}`;
    if (shared === undefined) return await this.#start(runtime, SICK_SERVER, args);
    let server = shared.get(name);
    if (server === undefined) shared.set(name, server = this.#server(runtime, SICK_SERVER, args));
    this.#servers.push(server);
    if (!server.running) await server.start();
    return server;
  }

  #server(runtime: Runtime, script: string, args: readonly string[]): ServerProcess {
    return new ServerProcess(runtime, script, join(mkdtempSync(join(this.#stage.folder, "server-")), "ledger"), args);
  }

  async #start(runtime: Runtime, script: string, args: readonly string[]): Promise<ServerProcess> {
    this.#ends.checkRunning();
    const server = this.#server(runtime, script, args);
    this.#servers.push(server);
    this.defer(() => server.kill());
    await server.start();
    return server;
  }

  /** A balanced transport over gRPC to fixed addresses, closed after the scenario. */
  transport(
    addresses: readonly string[],
    options: Partial<BalancedTransportOptions> = {},
    link: GrpcConnectorOptions = {},
  ): BalancedTransport {
    const observers = this.#stage.through === undefined ? [] : [this.#stage.through.observer];
    const transport = createTransport(addresses, { observers, ...options }, link);
    this.defer(() => transport.close());
    return transport;
  }

  /** The same with its connections watched. */
  observed(
    addresses: readonly string[],
    options: Partial<BalancedTransportOptions> = {},
    link: GrpcConnectorOptions = {},
  ): Observed {
    const check = () => {
      const [crash] = this.crashes();
      if (crash !== undefined) throw new Error(crash);
    };
    return new Observed((onEvent) => this.transport(addresses, { ...options, onEvent }, link), check);
  }

  /** What all servers wrote down so far. */
  ledger(): Ledger {
    return new Ledger(this.#servers.map(({ ledger }) => ledger));
  }

  /** Servers that ended by themselves, and how. */
  crashes(): readonly string[] {
    return this.#servers.map(({ crashed }) => crashed).filter((why) => why !== undefined);
  }

  /** Ends everything. */
  async end(): Promise<void> {
    await this.#ends.run((error) => this.figures.fail(`ending failed: ${error}`));
    for (const text of this.#unexpected) this.figures.fail(text);
  }
}
