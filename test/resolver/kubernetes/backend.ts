// What tests use as a Kubernetes API server: the stand-in, or Kubernetes' own. Both over TLS, with tokens.
import type { Fetch } from "../../../src/fetcher.ts";
import { httpsFetch } from "../../../src/node/https-fetch.ts";
import { createKubernetesResolver, type KubernetesResolverOptions } from "../../../src/resolver/kubernetes/resolver.ts";
import type { Resolver } from "../../../src/resolver/resolver.ts";
import { Consumer } from "../../support/consumer.ts";
import { eventually } from "../../support/eventually.ts";
import { ca } from "../../support/tls.ts";
import type { Slice } from "./slice.ts";

/** The service accounts: with the Role that docs/resolver.md shows, and without. */
export type Account = "watcher" | "other";

export interface BackendServer {
  readonly url: string;
  /** A watch this short, in seconds, still has a bookmark before it ends. */
  readonly shortWatchSeconds: number;
  /** A new token of a service account; earlier ones stay valid. */
  token(account: Account): Promise<string>;
  /** Gives the account `watcher` its Role, or takes it away. */
  allow(allowed: boolean): Promise<void>;
  /** Creates or replaces slices. */
  put(...slices: readonly Slice[]): Promise<void>;
  delete(name: string): Promise<void>;
  stop(): Promise<void>;
  /** Starts it again at the same address, with the same slices, but without their history. */
  start(): Promise<void>;
  /** Starts it again with nothing, and resource versions that begin anew, as one whose etcd was restored. */
  restore(): Promise<void>;
  /** Removes all slices. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export interface Backend {
  readonly name: string;
  /** For `describe(name, { skip }, …)`. */
  readonly skip: string | false;
  open(): Promise<BackendServer>;
}

/** A request as it was sent. */
export interface Sent {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
  /** Of the answer, once it has begun. */
  status?: number;
}

/** What a test does with a server; what it opens is closed by `end`. */
export class Setting {
  readonly server: BackendServer;
  readonly sent: Sent[] = [];
  /** How long watches live, in seconds, whatever was asked for. */
  watchSeconds: number | undefined;
  readonly #consumers: Consumer[] = [];
  readonly #trusting = httpsFetch({ ca });
  #cut = new AbortController();
  #held: Promise<void> | undefined;

  constructor(server: BackendServer) {
    this.server = server;
  }

  /** A resolver with the token of an account. */
  async resolver(options: Partial<KubernetesResolverOptions> = {}, account: Account = "watcher"): Promise<Resolver> {
    const token = await this.server.token(account);
    return this.resolverWith(() => token, options);
  }

  resolverWith(token: () => string | Promise<string>, options: Partial<KubernetesResolverOptions> = {}): Resolver {
    const cluster = { server: this.server.url, token, fetch: this.#fetch };
    return createKubernetesResolver({ service: "simple", random: () => 0.01, ...options, cluster }, () => cluster);
  }

  consumer(resolver: Resolver): Consumer {
    const consumer = new Consumer(resolver);
    this.#consumers.push(consumer);
    return consumer;
  }

  get lists(): readonly Sent[] {
    return this.sent.filter(({ query }) => !query.has("watch"));
  }

  get watches(): readonly Sent[] {
    return this.sent.filter(({ query }) => query.has("watch"));
  }

  /** Waits until as many watches have been opened. */
  async watching(count = 1): Promise<void> {
    const opened = () => this.watches.filter(({ status }) => status === 200).length >= count;
    await eventually(`${count} watches were opened`, opened);
  }

  /** Cuts the connections of all requests. */
  cut(): void {
    this.#cut.abort(new Error("cut by the test"));
    this.#cut = new AbortController();
  }

  /** Cuts all requests, and lets new ones wait until `release` is called. */
  hold(): () => void {
    let release!: () => void;
    this.#held = new Promise((resolve) => release = resolve);
    this.cut();
    return release;
  }

  end(): void {
    for (const consumer of this.#consumers.splice(0)) consumer.stop();
  }

  readonly #fetch: Fetch = async (given, init) => {
    await this.#held;
    const url = new URL(given), { pathname: path, searchParams: query } = url;
    const token = new Headers(init.headers).get("authorization")?.replace("Bearer ", "");
    const sent: Sent = { path, query: new URLSearchParams(query), token };
    this.sent.push(sent);
    if (query.has("watch") && this.watchSeconds !== undefined) query.set("timeoutSeconds", String(this.watchSeconds));
    const signal = AbortSignal.any([this.#cut.signal, ...init.signal ? [init.signal] : []]);
    const response = await this.#trusting(url.href, { ...init, signal });
    sent.status = response.status;
    return response;
  };
}
