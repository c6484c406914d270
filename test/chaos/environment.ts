import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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
import { Ledger } from "./ledger.ts";
import { Observed } from "./observed.ts";
import { Figures } from "./scenario.ts";
import { ServerProcess } from "./server-process.ts";

const SERVER = "test/chaos/server.ts";
const PEER = "test/chaos/peer.ts";
export const RUNTIMES: readonly Runtime[] = ["node", "bun", "deno"];

/** A balanced transport over gRPC to fixed addresses, for whoever closes it. */
export function createTransport(
  addresses: readonly string[],
  options: Partial<BalancedTransportOptions> = {},
  link: GrpcConnectorOptions = {},
): BalancedTransport {
  const resolver = staticResolver([...addresses]);
  return createBalancedTransport({ resolver, connector: grpcConnector(link), ...options });
}

/** What a scenario works with; all of it is ended after the scenario, in the reverse order. */
export class Environment {
  readonly figures: Figures = new Figures();
  /** Whether to be done in a second or two, for `npm test`. */
  readonly quick: boolean;
  readonly #folder = mkdtempSync(join(tmpdir(), "connect-lb-chaos-"));
  readonly #servers: ServerProcess[] = [];
  readonly #ends: (() => unknown)[] = [];
  readonly #unexpected: string[] = [];

  constructor(quick: boolean) {
    this.quick = quick;
    for (const event of ["uncaughtException", "unhandledRejection"]) {
      const listener = (error: unknown) => this.#unexpected.push(`${event}: ${(error as Error)?.stack ?? error}`);
      process.on(event, listener);
      this.defer(() => process.off(event, listener));
    }
  }

  /** Runs `end` after the scenario. */
  defer(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** Starts ordinary servers, one on each of the runtimes named, with the given arguments beside ledger and port. */
  servers(runtimes: readonly Runtime[], args: readonly string[] = []): Promise<readonly ServerProcess[]> {
    return Promise.all(runtimes.map((runtime) => this.#start(runtime, SERVER, args)));
  }

  /** Starts servers that do what they must not, or what only few do; gives their addresses. See peer.ts. */
  async peers(name: string): Promise<Readonly<Record<string, string>>> {
    const process = await this.#start("node", PEER, [name]);
    return JSON.parse((await process.line(/^peers (.*)$/))[1]!) as Record<string, string>;
  }

  async #start(runtime: Runtime, script: string, args: readonly string[]): Promise<ServerProcess> {
    const ledger = join(this.#folder, `${this.#servers.length}.ledger`);
    const server = new ServerProcess(runtime, script, ledger, args);
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
    const transport = createTransport(addresses, options, link);
    this.defer(() => transport.close());
    return transport;
  }

  /** The same with its connections watched. */
  observed(
    addresses: readonly string[],
    options: Partial<BalancedTransportOptions> = {},
    link: GrpcConnectorOptions = {},
  ): Observed {
    return new Observed((onEvent) => this.transport(addresses, { ...options, onEvent }, link));
  }

  /** What all servers wrote down so far. */
  ledger(): Ledger {
    return new Ledger(this.#servers.map(({ ledger }) => ledger));
  }

  /** Ends everything. */
  async end(): Promise<void> {
    for (const { crashed } of this.#servers) if (crashed !== undefined) this.figures.fail(crashed);
    for (const end of this.#ends.reverse()) {
      try {
        await end();
      } catch (error) {
        this.figures.fail(`ending failed: ${error}`);
      }
    }
    rmSync(this.#folder, { recursive: true, force: true });
    for (const text of this.#unexpected) this.figures.fail(text);
  }
}
