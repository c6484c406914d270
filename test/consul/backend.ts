// What tests use as a Consul agent: the stand-in, or Consul's own.
import { type ConsulRegistryOptions, createConsulRegistry, type Registry } from "../../src/consul.ts";
import type { Resolver } from "../../src/resolver/resolver.ts";
import { Consumer } from "../support/consumer.ts";

/** Tokens of an agent with ACLs. It knows the first two. */
export const TOKENS = {
  management: "11111111-1111-4111-8111-111111111111",
  reads: "22222222-2222-4222-8222-222222222222",
  powerless: "33333333-3333-4333-8333-333333333333",
  unknown: "44444444-4444-4444-8444-444444444444",
} as const;

/** The zone of the agent's node, and its address. */
export const NODE = { zone: "eu-1b", address: "127.0.0.1" } as const;

export interface BackendAgent {
  readonly url: string;
  /** Ends it; what is registered is lost. */
  stop(): Promise<void>;
  /** Starts it again at the same address, with nothing registered, and indexes that begin anew. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface BackendOptions {
  /** With ACLs: what is not allowed is denied. Defaults to false. */
  readonly acl?: boolean;
}

export interface Backend {
  readonly name: string;
  /** For `describe(name, { skip }, …)`. */
  readonly skip: string | false;
  open(options?: BackendOptions): Promise<BackendAgent>;
}

/** A request as it was sent, and the index of its answer. */
export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  index?: string | null;
  status?: number;
}

/** What a test does with an agent; what it opens is closed by `end`. */
export class Setting<A extends { readonly url: string } = BackendAgent> {
  readonly agent: A;
  readonly sent: Sent[] = [];
  /** Requests whose path it matches are not answered, and fail. */
  cut: RegExp | undefined;
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  readonly #token: string | undefined;

  constructor(agent: A, token?: string) {
    this.agent = agent;
    this.#token = token;
  }

  registry(options: ConsulRegistryOptions = {}): Registry {
    const registry = createConsulRegistry({
      agent: this.agent.url,
      fetch: (url, init) => this.#fetch(url, init),
      ...options,
    });
    this.#cleanups.push(() => registry.close());
    return registry;
  }

  consumer(resolver: Resolver): Consumer {
    const consumer = new Consumer(resolver);
    this.#cleanups.push(() => consumer.stop());
    return consumer;
  }

  /** The requests to a path so far. */
  to(path: string): readonly Sent[] {
    return this.sent.filter((sent) => sent.path === path);
  }

  /** Registers an instance as another program does; `judge` decides about its check. */
  async put(id: string, more: object = {}): Promise<void> {
    const Check = { CheckID: `service:${id}`, TTL: "600s", Status: "passing" };
    const definition = { ID: id, Name: "simple", Address: "10.0.0.1", Port: 8000, Check, ...more };
    await this.ask("agent/service/register", definition);
  }

  /** Decides about the check of an instance. */
  async judge(id: string, status: "pass" | "fail"): Promise<void> {
    await this.ask(`agent/check/${status}/service:${encodeURIComponent(id)}`);
  }

  /** Removes all that is registered. */
  async forget(): Promise<void> {
    const ids = Object.keys(await (await this.#send("GET", "agent/services")).json() as object);
    for (const id of ids) await this.ask(`agent/service/deregister/${encodeURIComponent(id)}`);
  }

  /** Closes all that the test has opened. */
  async end(): Promise<void> {
    this.cut = undefined;
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }

  /** A request that writes, with the test's own token. */
  async ask(path: string, body?: unknown): Promise<void> {
    const response = await this.#send("PUT", path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  }

  #send(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = this.#token === undefined ? {} : { "x-consul-token": this.#token };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return fetch(`${this.agent.url}/v1/${path}`, { method, headers, ...sent });
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const { pathname, searchParams: query } = new URL(url), { method = "GET", body } = init;
    const sent: Sent = {
      method,
      path: decodeURIComponent(pathname.replace("/v1/", "")),
      query,
      body: typeof body === "string" ? JSON.parse(body) : undefined,
    };
    this.sent.push(sent);
    if (this.cut?.test(sent.path)) throw new Error("cut by the test");
    const response = await fetch(url, init);
    sent.index = response.headers.get("x-consul-index");
    sent.status = response.status;
    return response;
  }
}

/** A signal for what takes no long time. */
export const soon = (): AbortSignal => AbortSignal.timeout(10_000);
