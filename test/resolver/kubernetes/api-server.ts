// A stand-in for a Kubernetes API server, written from the documentation of its API, and held to what Kubernetes' own
// does by the tests in contract/: lists and watches EndpointSlices.
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { server as certificate } from "../../support/tls.ts";
import type { Account, Backend } from "./backend.ts";
import type { Slice } from "./slice.ts";

/** The stand-in, as tests that also run on Kubernetes' own server use it. */
export const standIn: Backend = {
  name: "a stand-in for an API server",
  skip: false,
  async open() {
    let server = await new ApiServer({ tls: certificate, accounts: true }).listen(), tokens = 0, allowed = true;
    const { url, port } = server;
    const replace = async (next: ApiServer) => {
      await server.close();
      server = await next.listen(port);
      server.allowed = allowed;
    };
    const fresh = () => new ApiServer({ tls: certificate, accounts: true });
    return {
      url,
      shortWatchSeconds: 0.2,
      token: (account) => Promise.resolve(`${account}-${++tokens}`),
      allow: (given) => Promise.resolve(void (server.allowed = allowed = given)),
      put: (...slices) => Promise.resolve(server.put(...slices)),
      delete: (name) => Promise.resolve(server.delete(name)),
      stop: () => server.close(),
      start: () => replace(fresh().continue(server)),
      restore: () => replace(fresh()),
      clear: () => Promise.resolve(server.clear()),
      close: () => server.close(),
    };
  },
};

interface Change {
  readonly type: string;
  readonly object: Slice;
  readonly version: number;
}

/** What a request asked for. */
export interface Asked {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
}

export interface ApiServerOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Whether it takes the tokens of accounts, which begin with their names, and no others. Defaults to false. */
  readonly accounts?: boolean;
}

/** The server. Versions of resources count from 100. */
export class ApiServer {
  readonly asked: Asked[] = [];
  url = "";
  /** The token that it wants; undefined: it takes any. */
  token: string | undefined;
  /** Whether the account \`watcher\` may list and watch. */
  allowed = true;
  /** Answers everything with this instead. */
  refusal: { readonly status: number; readonly body: string; readonly headers?: Record<string, string> } | undefined;
  /** Accepts requests and says nothing. */
  mute = false;
  #version = 100;
  #oldest = 100;
  #slices = new Map<string, Slice>();
  #changes: Change[] = [];
  readonly #watches = new Map<http.ServerResponse, { readonly selector: string; readonly from: number }>();
  readonly #accounts: boolean;
  readonly #server: http.Server | https.Server;

  constructor({ tls, accounts = false }: ApiServerOptions = {}) {
    this.#accounts = accounts;
    const answer = (request: http.IncomingMessage, response: http.ServerResponse) => this.#answer(request, response);
    this.#server = tls === undefined ? http.createServer(answer) : https.createServer(tls, answer);
    this.url = tls === undefined ? "http" : "https";
  }

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    this.url = `${this.url.split(":")[0]}://127.0.0.1:${this.port}`;
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get lists(): number {
    return this.asked.filter(({ query }) => !query.has("watch")).length;
  }

  get watches(): number {
    return this.asked.filter(({ query }) => query.has("watch")).length;
  }

  /** How many watches are open. */
  get open(): number {
    return this.#watches.size;
  }

  /** Creates or replaces slices. */
  put(...slices: readonly Slice[]): void {
    for (const given of slices) {
      const type = this.#slices.has(given.metadata.name) ? "MODIFIED" : "ADDED";
      this.#slices.set(given.metadata.name, this.#changed(type, given));
    }
  }

  /** Takes over what another one has, as after a restart: without the history. */
  continue(other: ApiServer): this {
    this.#slices = other.#slices;
    this.#oldest = this.#version = other.#version;
    return this;
  }

  clear(): void {
    for (const name of [...this.#slices.keys()]) this.delete(name);
  }

  delete(name: string): void {
    const gone = this.#slices.get(name)!;
    this.#slices.delete(name);
    this.#changed("DELETED", gone);
  }

  /** Sends a bookmark on all watches. */
  bookmark(): void {
    this.#version++;
    for (const response of this.#watches.keys()) send(response, bookmarkOf(this.#version));
  }

  /** Forgets all changes so far. */
  compact(): void {
    this.#oldest = ++this.#version;
    this.#changes = [];
  }

  /** Sends any line on all watches. */
  say(line: string): void {
    for (const response of this.#watches.keys()) response.write(line);
  }

  /** Ends all watches as their timeouts do. */
  endWatches(): void {
    for (const response of this.#watches.keys()) response.end();
    this.#watches.clear();
  }

  /** Cuts all connections of watches. */
  cutWatches(): void {
    for (const response of this.#watches.keys()) response.destroy();
    this.#watches.clear();
  }

  async close(): Promise<void> {
    this.cutWatches();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections?.();
    await closed;
  }

  #changed(type: string, given: Slice): Slice {
    const version = ++this.#version;
    const object = { ...given, metadata: { ...given.metadata, resourceVersion: String(version) } };
    const change = { type, object, version };
    this.#changes.push(change);
    for (const [response, { selector, from }] of this.#watches) {
      if (version > from && matches(selector, object)) send(response, change);
    }
    return object;
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url!, "http://server");
    const token = request.headers.authorization?.replace("Bearer ", "");
    this.asked.push({ path: pathname, query, token });
    // Its connection was not yet one when the others were closed.
    if (!this.#server.listening) return void request.destroy();
    if (this.mute) return;
    const refuse = (status: number, message: string) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ kind: "Status", status: "Failure", message, code: status }));
    };
    if (this.refusal !== undefined) {
      response.writeHead(this.refusal.status, this.refusal.headers ?? {});
      response.end(this.refusal.body);
      return;
    }
    const account: Account | undefined = token?.startsWith("watcher-")
      ? "watcher"
      : token?.startsWith("other-")
      ? "other"
      : undefined;
    if (this.#accounts ? account === undefined : this.token !== undefined && token !== this.token) {
      return refuse(401, "Unauthorized");
    }
    const verb = query.has("watch") ? "watch" : "list";
    if (this.#accounts && !(account === "watcher" && this.allowed)) {
      const user = `User "system:serviceaccount:default:${account}"`;
      return refuse(
        403,
        `endpointslices.discovery.k8s.io is forbidden: ${user} cannot ${verb} resource "endpointslices"`,
      );
    }
    if (pathname !== "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices") return refuse(404, "not found");
    const selector = query.get("labelSelector") ?? "";
    if (!query.has("watch")) {
      const items = [...this.#slices.values()].filter((slice) => matches(selector, slice));
      const metadata = { resourceVersion: String(this.#version) };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ kind: "EndpointSliceList", metadata, items }));
      return;
    }
    const from = Number(query.get("resourceVersion"));
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (from < this.#oldest) {
      send(response, { type: "ERROR", object: { kind: "Status", code: 410, message: "too old resource version" } });
      response.end();
      return;
    }
    this.#watches.set(response, { selector, from });
    const timer = setTimeout(() => {
      // Just before the end it says how far it got.
      if (from <= this.#version) send(response, bookmarkOf(this.#version));
      response.end();
    }, 1_000 * Number(query.get("timeoutSeconds")));
    response.on("close", () => {
      clearTimeout(timer);
      this.#watches.delete(response);
    });
    for (const change of this.#changes) {
      if (change.version > from && matches(selector, change.object)) send(response, change);
    }
  }
}

function matches(selector: string, { metadata: { labels } }: Slice): boolean {
  const [name = "", value] = selector.split("=");
  return labels[name] === value;
}

function bookmarkOf(version: number): { readonly type: string; readonly object: unknown } {
  return { type: "BOOKMARK", object: { kind: "EndpointSlice", metadata: { resourceVersion: String(version) } } };
}

function send(
  response: http.ServerResponse,
  { type, object }: { readonly type: string; readonly object: unknown },
): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}
