// A stand-in for a Consul agent, written from the documentation of its HTTP API: services with TTL checks, and blocking
// queries.
import http from "node:http";
import type { AddressInfo } from "node:net";

/** What a service's definition has, as far as it matters here. */
interface Definition {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags?: readonly string[];
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Weights?: { readonly Passing: number; readonly Warning: number };
  readonly Check?: { readonly CheckID: string; readonly TTL: string; readonly Status?: string };
}

interface Instance {
  readonly definition: Definition;
  readonly created: number;
  status: "passing" | "critical";
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** A request as it arrived. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
  readonly body: unknown;
}

export class Agent {
  readonly asked: Asked[] = [];
  /** The index that answers have instead of the real one. */
  shownIndex: number | undefined;
  /** Answers everything with this instead. */
  refusal: { readonly status: number; readonly body: string } | undefined;
  /** Accepts requests and says nothing. */
  mute = false;
  /** The metadata of its node. */
  nodeMeta: Readonly<Record<string, string>> = {};
  #index = 10;
  readonly #instances = new Map<string, Instance>();
  readonly #waiting = new Set<() => void>();
  readonly #server = http.createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => text += chunk);
    request.on("end", () => this.#answer(request, text === "" ? undefined : JSON.parse(text), response));
  });

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** How many queries wait for a change. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Registers an instance as another program does. */
  put(definition: Definition): void {
    this.#register(definition);
  }

  /** Sets the state of a service's check. */
  judge(id: string, status: "passing" | "critical"): void {
    this.#instances.get(id)!.status = status;
    this.changed();
  }

  /** Forgets all services, as an agent without a data directory does when it is restarted. */
  forget(): void {
    for (const { timer } of this.#instances.values()) clearTimeout(timer);
    this.#instances.clear();
    this.changed();
  }

  /** Ends all queries that wait, as after a write that changes nothing, with an index that is higher by `by`. */
  changed(by = 1): void {
    this.#index += by;
    for (const answer of [...this.#waiting]) answer();
  }

  async close(): Promise<void> {
    for (const { timer } of this.#instances.values()) clearTimeout(timer);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections?.();
    await closed;
  }

  #register(definition: Definition): void {
    const { ID: id, Check: check } = definition, known = this.#instances.get(id);
    clearTimeout(known?.timer);
    const instance: Instance = {
      definition,
      created: known?.created ?? this.#index + 1,
      status: check === undefined || check.Status === "passing" ? "passing" : "critical",
      timer: undefined,
    };
    this.#instances.set(id, instance);
    this.#restart(instance);
    this.changed();
  }

  #restart(instance: Instance): void {
    const { Check: check } = instance.definition;
    clearTimeout(instance.timer);
    if (check === undefined) return;
    instance.timer = setTimeout(() => this.judge(instance.definition.ID, "critical"), 1_000 * parseFloat(check.TTL));
  }

  #answer(request: http.IncomingMessage, body: unknown, response: http.ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url!, "http://agent");
    const path = decodeURIComponent(pathname.replace("/v1/", ""));
    const token = request.headers["x-consul-token"] as string | undefined;
    this.asked.push({ method: request.method!, path, query, token, body });
    if (this.mute) return;
    const reply = (status: number, content: unknown) => {
      response.statusCode = status;
      response.end(typeof content === "string" ? content : JSON.stringify(content));
    };
    if (this.refusal !== undefined) return reply(this.refusal.status, this.refusal.body);
    const [, id = ""] = /^agent\/(?:service\/deregister|check\/pass|service)\/(?:service:)?(.*)$/.exec(path) ?? [];
    const instance = this.#instances.get(id);
    if (path === "agent/service/register") {
      this.#register(body as Definition);
      return reply(200, "");
    }
    if (path.startsWith("agent/check/pass/")) {
      if (instance === undefined) {
        return reply(404, `Unknown check ID "service:${id}". Ensure that the check ID is passed`);
      }
      this.#restart(instance);
      if (instance.status !== "passing") this.judge(id, "passing");
      return reply(200, "");
    }
    if (path.startsWith("agent/service/deregister/")) {
      if (instance === undefined) return reply(404, `Unknown service ID "${id}". Ensure that the service ID is passed`);
      clearTimeout(instance.timer);
      this.#instances.delete(id);
      this.changed();
      return reply(200, "");
    }
    if (path.startsWith("agent/service/")) {
      if (instance === undefined) return reply(404, `unknown service ID: ${id}`);
      const { Name: Service, Check: _, ...rest } = instance.definition;
      return reply(200, { Service, ...rest, ContentHash: "x" });
    }
    if (path === "catalog/services") {
      const names = [...this.#instances.values()].map(({ definition }) => [definition.Name, definition.Tags ?? []]);
      return reply(200, Object.fromEntries([["consul", []], ...names]));
    }
    if (path.startsWith("health/service/")) return this.#health(path.slice(15), query, response);
    return reply(404, "404 page not found");
  }

  #health(name: string, query: URLSearchParams, response: http.ServerResponse): void {
    const forget = () => {
      this.#waiting.delete(answer);
      clearTimeout(timer);
    };
    const answer = () => {
      forget();
      const found = [...this.#instances.values()].filter(({ definition, status }) => {
        return definition.Name === name && (status === "passing" || !query.has("passing")) &&
          query.getAll("tag").every((tag) => definition.Tags?.includes(tag));
      });
      response.setHeader("x-consul-index", String(this.shownIndex ?? this.#index));
      response.end(JSON.stringify(found.map(({ definition, created, status }) => {
        const { Name: Service, Check: _, ...rest } = definition;
        return {
          Node: { Node: "node-1", Address: "10.0.0.100", Meta: this.nodeMeta },
          Service: { Service, ...rest, CreateIndex: created },
          Checks: [{ CheckID: "serfHealth", Status: "passing" }, { CheckID: `service:${rest.ID}`, Status: status }],
        };
      })));
    };
    const waits = Number(query.get("index") ?? 0) >= this.#index;
    const timer = setTimeout(answer, waits ? parseFloat(query.get("wait") ?? "300000") : 0);
    if (waits) this.#waiting.add(answer);
    response.on("close", forget);
  }
}
