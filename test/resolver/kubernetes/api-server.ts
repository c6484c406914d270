// A stand-in for a Kubernetes API server, written from the documentation of its API: lists and watches EndpointSlices.
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";

/** What `slice()` takes: as much of an EndpointSlice as a test is about. */
export interface SliceOptions {
  readonly type?: "IPv4" | "IPv6" | "FQDN";
  readonly ports?: readonly object[] | null;
  readonly endpoints?: readonly object[] | null;
  readonly service?: string;
}

/** An EndpointSlice; an endpoint may be its address alone. */
export function slice(
  name: string,
  endpoints: readonly (string | object)[],
  { type = "IPv4", ports = [{ name: "grpc", protocol: "TCP", port: 8000 }], service = "simple" }: SliceOptions = {},
): Slice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "default", labels: { "kubernetes.io/service-name": service } },
    addressType: type,
    ports,
    endpoints: endpoints.map((given) => typeof given === "string" ? { addresses: [given], conditions: {} } : given),
  };
}

export interface Slice {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
  };
  readonly [name: string]: unknown;
}

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
}

/** The server. Versions of resources count from 100. */
export class ApiServer {
  readonly asked: Asked[] = [];
  url = "";
  /** The token that it wants; undefined: it takes any. */
  token: string | undefined;
  /** Answers everything with this instead. */
  refusal: { readonly status: number; readonly body: string; readonly headers?: Record<string, string> } | undefined;
  /** Accepts requests and says nothing. */
  mute = false;
  #version = 100;
  #oldest = 100;
  #slices = new Map<string, Slice>();
  #changes: Change[] = [];
  readonly #watches = new Map<http.ServerResponse, string>();
  readonly #server: http.Server | https.Server;

  constructor({ tls }: ApiServerOptions = {}) {
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

  delete(name: string): void {
    const gone = this.#slices.get(name)!;
    this.#slices.delete(name);
    this.#changed("DELETED", gone);
  }

  /** Sends a bookmark on all watches. */
  bookmark(): void {
    const version = String(++this.#version);
    for (const response of this.#watches.keys()) {
      send(response, { type: "BOOKMARK", object: { kind: "EndpointSlice", metadata: { resourceVersion: version } } });
    }
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
    for (const [response, selector] of this.#watches) if (matches(selector, object)) send(response, change);
    return object;
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url!, "http://server");
    const token = request.headers.authorization?.replace("Bearer ", "");
    this.asked.push({ path: pathname, query, token });
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
    if (this.token !== undefined && token !== this.token) return refuse(401, "Unauthorized");
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
    this.#watches.set(response, selector);
    response.on("close", () => this.#watches.delete(response));
    for (const change of this.#changes) {
      if (change.version > from && matches(selector, change.object)) send(response, change);
    }
  }
}

function matches(selector: string, { metadata: { labels } }: Slice): boolean {
  const [name = "", value] = selector.split("=");
  return labels[name] === value;
}

function send(
  response: http.ServerResponse,
  { type, object }: { readonly type: string; readonly object: unknown },
): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}
