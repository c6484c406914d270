import { textOfCauses } from "../connection/causes.ts";
import { callFetch, type Fetch, type Fetcher } from "../fetcher.ts";
import { readText } from "../response-lines.ts";
import { shownText } from "../shown-text.ts";
import type { Clock } from "../time/clock.ts";
import { untilAborted } from "../time/until-aborted.ts";
import { Watchdog } from "../time/watchdog.ts";
import { isToken } from "./options.ts";

/** How long the agent may take to answer, in milliseconds, beyond what it was asked to wait. */
const REQUEST_MS = 5_000;
/** The longest answer, in characters. */
const MOST = 2 ** 27;

/** The agent refused a request, or something else answered. */
export class ConsulError extends Error {
  override readonly name = "ConsulError";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }

  /** The token is missing or lacks a permission: it takes a person to fix that. */
  get refused(): boolean {
    return this.status === 401 || this.status === 403;
  }

  /** The agent doesn't know the service or the check. Versions before 1.12 say so with 500. */
  get unknown(): boolean {
    return this.status === 404 || /does not have associated TTL|[Uu]nknown (service|check)/.test(this.message);
  }
}

/** A request to the agent. */
export interface ConsulRequest {
  readonly method?: "GET" | "PUT";
  /** Its parts are encoded already. */
  readonly path: string;
  readonly query?: readonly (readonly [string, string])[];
  readonly body?: unknown;
  /** How long the agent is asked to wait before it answers, in milliseconds. */
  readonly waitMs?: number;
}

/** What the agent answered. */
export interface ConsulAnswer {
  /** In JSON; undefined for an empty answer. */
  readonly body: unknown;
  /** The state that it is about; NaN if it says none. */
  readonly index: number;
  /** Whether things are left out that the token may not read. */
  readonly filtered: boolean;
}

/** How the agent is reached. */
export interface AgentOptions {
  readonly url: string;
  readonly token: string | (() => string | Promise<string>) | undefined;
  readonly fetch: Fetch | Fetcher | undefined;
  readonly clock: Clock;
}

/** The HTTP API of the local agent. */
export class ConsulAgent {
  readonly #options: AgentOptions;

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  /** @throws ConsulError if it is refused; Error if it is not answered; the signal's reason */
  async request(request: ConsulRequest, signal: AbortSignal): Promise<ConsulAnswer> {
    const { clock } = this.#options, { waitMs = 0 } = request;
    signal.throwIfAborted();
    const watchdog = new Watchdog(clock, signal);
    // Consul adds up to a sixteenth, so that not all queries end at once.
    const timeoutMs = waitMs * 17 / 16 + REQUEST_MS;
    watchdog.within(timeoutMs, () => new Error(`the Consul agent did not answer within ${timeoutMs} ms`));
    try {
      const response = await this.#send(request, watchdog.signal);
      const text = await readText(response, MOST, watchdog.signal);
      if (!response.ok) throw refusal(response.status, text);
      return {
        body: text === "" ? undefined : JSON.parse(text),
        index: Number(response.headers.get("x-consul-index") ?? NaN),
        filtered: response.headers.get("x-consul-results-filtered-by-acls") === "true",
      };
    } catch (error) {
      if (watchdog.signal.aborted) throw watchdog.signal.reason;
      if (error instanceof ConsulError) throw error;
      throw new Error(`no answer of the Consul agent: ${shownText(textOfCauses(error))}`, { cause: error });
    } finally {
      watchdog.stop();
    }
  }

  async #send({ method = "GET", path, query = [], body }: ConsulRequest, signal: AbortSignal): Promise<Response> {
    const { url, token: source, fetch = globalThis.fetch } = this.#options;
    const token = await untilAborted(Promise.resolve(typeof source === "function" ? source() : source), signal);
    if (token !== undefined && !isToken(token)) {
      throw new TypeError("the token is empty or has characters that none has");
    }
    const headers: Record<string, string> = { accept: "application/json" };
    if (token !== undefined) headers["x-consul-token"] = token;
    const search = new URLSearchParams(query.map(([name, value]) => [name, value])).toString();
    const at = `${url.replace(/\/+$/, "")}/v1/${path}${search === "" ? "" : `?${search}`}`;
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return await untilAborted(callFetch(fetch, at, { method, headers, ...sent, redirect: "manual", signal }), signal);
  }
}

const HINT = "(the token needs service:read and node:read to resolve, service:write to register)";

function refusal(status: number, body: string): ConsulError {
  const [line = ""] = body.trim().split("\n");
  const said = `the Consul agent answered ${status}: ${shownText(line || "no reason")}`;
  return new ConsulError(status === 401 || status === 403 ? `${said} ${HINT}` : said, status);
}

/** Consul answers a reader who may not read with less, or nothing, rather than with a refusal. */
export function filteredError(what: string): ConsulError {
  return new ConsulError(`the Consul agent left out all ${what} ${HINT}`, 403);
}
