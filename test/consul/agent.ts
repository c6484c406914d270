// A stand-in for a Consul agent, written from the documentation of its HTTP API, and held to what Consul's own agent does
// by the tests in contract/: services with TTL checks, blocking queries, and ACLs in a small way.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { type Backend, type BackendOptions, NODE, TOKENS } from "./backend.ts";

/** The stand-in, as tests that also run on Consul's own agent use it. */
export const standIn: Backend = {
  name: "a stand-in for an agent",
  skip: false,
  async open({ acl = false } = {}) {
    let agent = await new Agent({ acl }).listen();
    const { url, port } = agent;
    const stop = () => agent.close();
    return {
      url,
      stop,
      close: stop,
      restart: async () => {
        await stop();
        agent = await new Agent({ acl }).listen(port);
      },
    };
  },
};

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

export class Agent {
  /** The index that answers have instead of the real one. */
  shownIndex: number | undefined;
  /** Answers everything with this instead. */
  refusal: { readonly status: number; readonly body: string } | undefined;
  /** Accepts requests and says nothing. */
  mute = false;
  readonly #acl: boolean;
  #index = 10;
  readonly #instances = new Map<string, Instance>();
  readonly #waiting = new Set<() => void>();
  readonly #server = http.createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => text += chunk);
    request.on("end", () => this.#answer(request, text === "" ? undefined : JSON.parse(text), response));
  });

  constructor({ acl = false }: BackendOptions = {}) {
    this.#acl = acl;
  }

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
    this.#startTtl(instance);
    this.changed();
  }

  #judge(instance: Instance, status: "passing" | "critical"): void {
    if (instance.status === status) return;
    instance.status = status;
    this.changed();
  }

  #startTtl(instance: Instance): void {
    const { Check: check } = instance.definition;
    clearTimeout(instance.timer);
    if (check === undefined) return;
    instance.timer = setTimeout(() => this.#judge(instance, "critical"), 1_000 * parseFloat(check.TTL));
  }

  #answer(request: http.IncomingMessage, body: unknown, response: http.ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url!, "http://agent");
    const path = decodeURIComponent(pathname.replace("/v1/", ""));
    // Its connection was not yet one when the others were closed.
    if (!this.#server.listening) return void request.destroy();
    if (this.mute) return;
    const reply = (status: number, content: unknown) => {
      response.statusCode = status;
      response.end(typeof content === "string" ? content : JSON.stringify(content));
    };
    if (this.refusal !== undefined) return reply(this.refusal.status, this.refusal.body);
    const token = request.headers["x-consul-token"] as string | undefined;
    const known: readonly (string | undefined)[] = [undefined, TOKENS.management, TOKENS.reads, TOKENS.powerless];
    if (this.#acl && !known.includes(token)) return reply(403, "ACL not found");
    const reads = !this.#acl || token === TOKENS.management || token === TOKENS.reads;
    const denied = this.#acl && token !== TOKENS.management &&
      `Permission denied: token with AccessorID '00000000' lacks permission 'service:write' on "simple"`;
    // Those who have no token don't learn that there is something, and answers that waited don't say it.
    if (!reads && token !== undefined && !query.has("index")) {
      response.setHeader("x-consul-results-filtered-by-acls", "true");
    }
    const [, act = "", id = ""] =
      /^agent\/(service\/deregister|check\/pass|check\/fail|service(?!s|\/register))\/(?:service:)?(.*)$/.exec(path) ??
        [];
    const instance = this.#instances.get(id);
    if (path === "agent/service/register") {
      if (denied) return reply(403, denied);
      this.#register(body as Definition);
      return reply(200, "");
    }
    if (act !== "" && instance === undefined) {
      if (act === "service") return reply(404, `unknown service ID: ${id}`);
      const [kind, what] = act.startsWith("check") ? ["check", "service:"] : ["service", ""];
      return reply(
        404,
        `Unknown ${kind} ID "${what}${id}". Ensure that the ${kind} ID is passed, not the ${kind} name.`,
      );
    }
    if (act !== "" && denied) return reply(403, denied);
    switch (instance && act) {
      case "check/pass":
      case "check/fail":
        this.#startTtl(instance!);
        this.#judge(instance!, act === "check/pass" ? "passing" : "critical");
        return reply(200, "");
      case "service/deregister":
        clearTimeout(instance!.timer);
        this.#instances.delete(id);
        this.changed();
        return reply(200, "");
      case "service":
        return reply(200, { ...described(instance!.definition), ContentHash: "x" });
    }
    if (path === "agent/services") {
      return reply(200, Object.fromEntries([...this.#instances.keys()].map((id) => [id, {}])));
    }
    if (path === "catalog/services") {
      const names = [...this.#instances.values()].map(({ definition }) => [definition.Name, definition.Tags ?? []]);
      return reply(200, reads ? Object.fromEntries([["consul", []], ...names]) : {});
    }
    if (path.startsWith("health/service/")) return this.#health(path.slice(15), { query, reads, response });
    return reply(404, "404 page not found");
  }

  #health(
    name: string,
    { query, reads, response }: { query: URLSearchParams; reads: boolean; response: http.ServerResponse },
  ): void {
    const forget = () => {
      this.#waiting.delete(answer);
      clearTimeout(timer);
    };
    const answer = () => {
      forget();
      const found = [...this.#instances.values(), SERVER].filter(({ definition, status }) => {
        return reads && definition.Name === name && (status === "passing" || !query.has("passing")) &&
          query.getAll("tag").every((tag) => definition.Tags?.includes(tag));
      });
      response.setHeader("x-consul-index", String(this.shownIndex ?? this.#index));
      response.end(JSON.stringify(found.map(({ definition, created, status }) => ({
        Node: { Node: "node-1", Address: NODE.address, Meta: { zone: NODE.zone } },
        Service: { ...described(definition), CreateIndex: created },
        Checks: [{ CheckID: "serfHealth", Status: "passing" }, { CheckID: `service:${definition.ID}`, Status: status }],
      }))));
    };
    const waits = Number(query.get("index") ?? 0) >= this.#index;
    const timer = setTimeout(answer, waits ? parseFloat(query.get("wait") ?? "300000") : 0);
    if (waits) this.#waiting.add(answer);
    response.on("close", forget);
  }
}

/** Consul's servers are a service, too. */
const SERVER: Omit<Instance, "timer"> = {
  definition: { ID: "consul", Name: "consul", Address: "", Port: 8300 },
  created: 1,
  status: "passing",
};

/** An instance as answers show it. */
function described({ Name: Service, Check: _, ...rest }: Definition): object {
  return { Tags: [], Meta: {}, Weights: { Passing: 1, Warning: 1 }, ...rest, Service };
}
