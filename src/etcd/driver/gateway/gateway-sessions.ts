import { type Endpoint, endpointIdentity } from "../../../endpoint.ts";
import { callFetch, type Fetch, type Fetcher } from "../../../fetcher.ts";
import type { AttemptContext } from "../driver.ts";
import type { Clock } from "../../../time/clock.ts";
import { type GatewayError, refusalIn, unanswered, unreadable } from "./gateway-error.ts";
import { readLines, readParts } from "../../../response-lines.ts";
import { isRecord, type Json } from "./message.ts";
import { type Probe, Probes } from "./probes.ts";

/**
 * The longest line, in characters, and so the longest list: 192 MiB of keys and values. A batch of a watch is sent in
 * fragments that are not much larger than etcd's largest request.
 */
const MOST_LINE = 2 ** 28;
/** How much of an error is read, in characters. */
const MOST_ERROR = 2 ** 16;

/** What a call needs. */
export interface GatewayRequest {
  /** The method's path below `/v3/`. */
  readonly path: string;
  readonly body: Json;
  /** Whether a member that has lost its cluster must refuse the call, rather than stay silent. Defaults to false. */
  readonly leader?: boolean;
  /** Whether the call ends when its session is given up. Defaults to false. */
  readonly endsWithSession?: boolean;
}

/**
 * What is known of an endpoint. Its connections are the runtime's, which opens one for each request in flight, and
 * closes it when the request is aborted.
 */
interface Session {
  readonly endpoint: Endpoint;
  generation: number;
  readonly probes: Probes;
  /** Ends each call in flight. */
  readonly calls: Set<(reason: Error) => void>;
  /** Those that end with the session. */
  readonly bound: Set<(reason: Error) => void>;
}

/** What the calls of a driver need. */
export interface GatewayEnv {
  readonly fetch: Fetch | Fetcher | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** The calls of a driver, by endpoint. Nothing here is a promise or a signal that two calls share. */
export class GatewaySessions {
  readonly #env: GatewayEnv;
  readonly #sessions = new Map<string, Session>();
  #generations = 0;
  #closed = false;
  #onLost: ((endpoint: Endpoint) => void) | undefined;

  constructor(env: GatewayEnv) {
    this.#env = env;
  }

  /** How long a call must wait, in milliseconds, because the endpoint did not answer before. */
  backoffMs(endpoint: Endpoint, neededByMs?: number): number {
    return this.#session(endpoint).probes.backoffMs(neededByMs);
  }

  generation(endpoint: Endpoint): number {
    return this.#session(endpoint).generation;
  }

  onLost(listener: (endpoint: Endpoint) => void): void {
    this.#onLost = listener;
  }

  reset(endpoint: Endpoint, generation: number): void {
    const session = this.#session(endpoint);
    if (session.generation !== generation) return;
    this.#lose(session);
    for (const end of [...session.bound]) end(new Error("the session to etcd was given up"));
  }

  close(): void {
    this.#closed = true;
    for (const { calls } of this.#sessions.values()) {
      for (const end of [...calls]) end(new Error("the etcd driver is closed"));
    }
  }

  /**
   * Makes a call; yields its messages as they arrive.
   *
   * @throws GatewayError if etcd refuses it, or something else or nothing answers; the reason for which it was ended.
   */
  async *call(request: GatewayRequest, context: AttemptContext): AsyncGenerator<Json, void> {
    if (this.#closed) throw new Error("the etcd driver is closed");
    const { signal } = context;
    signal.throwIfAborted();
    const session = this.#session(context.endpoint);
    const own = new AbortController();
    const end = (reason: unknown) => own.abort(reason);
    const abort = () => end(signal.reason);
    signal.addEventListener("abort", abort);
    session.calls.add(end);
    if (request.endsWithSession) session.bound.add(end);
    try {
      const probe = await session.probes.begin(own.signal, context.neededByMs);
      yield* this.#messages(session, request, context, own.signal, probe);
    } finally {
      signal.removeEventListener("abort", abort);
      session.calls.delete(end);
      session.bound.delete(end);
    }
  }

  async *#messages(
    session: Session,
    request: GatewayRequest,
    context: AttemptContext,
    signal: AbortSignal,
    probe: Probe | undefined,
  ): AsyncGenerator<Json, void> {
    const { probes } = session;
    try {
      const response = await this.#send(request, context, signal);
      if (!response.ok) throw await refusalOf(response, signal);
      let empty = true;
      for await (const line of response.body === null ? [] : readLines(response.body, MOST_LINE, signal)) {
        const message = messageIn(line, response);
        this.#answered(session);
        empty = false;
        yield message;
      }
      if (empty) throw unreadable(response.status, "");
    } catch (thrown) {
      if (signal.aborted && probe !== undefined) probes.left(probe);
      signal.throwIfAborted();
      const error = unanswered(thrown);
      if (error.refused) this.#answered(session);
      else if (probe !== undefined) probes.failed(probe, error);
      if (error.cause !== undefined) this.#lose(session);
      throw error;
    }
  }

  #send({ path, body, leader = false }: GatewayRequest, context: AttemptContext, signal: AbortSignal) {
    const { endpoint: { address, secure }, token } = context;
    const headers: Record<string, string> = { "content-type": "application/json" };
    // Without "Bearer", which etcd 3.4 does not know.
    if (token !== undefined) headers["authorization"] = token;
    // Pages have a location; etcd's CORS headers don't allow them this one.
    if (leader && globalThis.location === undefined) headers["grpc-metadata-hasleader"] = "true";
    const init = { method: "POST", headers, body: JSON.stringify(body), redirect: "manual", signal } as const;
    const url = `${secure ? "https" : "http"}://${address}/v3/${path}`;
    // The platform's is not kept, as it may be replaced.
    return callFetch(this.#env.fetch ?? globalThis.fetch, url, init);
  }

  #session(endpoint: Endpoint): Session {
    const identity = endpointIdentity(endpoint);
    let session = this.#sessions.get(identity);
    if (session === undefined) {
      const probes = new Probes(this.#env.clock, this.#env.random);
      session = { endpoint, generation: ++this.#generations, probes, calls: new Set(), bound: new Set() };
      this.#sessions.set(identity, session);
    }
    return session;
  }

  #answered(session: Session): void {
    if (session.probes.answers) return;
    session.probes.answered();
    session.generation = ++this.#generations;
  }

  #lose(session: Session): void {
    session.generation = ++this.#generations;
    if (!session.probes.answers) return;
    session.probes.lost();
    this.#onLost?.(session.endpoint);
  }
}

/**
 * The error in a response whose status is one. It is not read beyond the error: what etcd up to 3.5 sends after it
 * (trailers in a chunked body) workerd takes for the beginning of the connection's next response, so that the
 * connection must not be used again.
 */
async function refusalOf({ body, status }: Response, signal: AbortSignal): Promise<GatewayError> {
  let text = "";
  for await (const part of body === null ? [] : readParts(body, signal)) {
    text += part;
    const answer = parsed(text);
    if (answer !== undefined) return refusalIn(answer) ?? unreadable(status, text);
    if (text.length > MOST_ERROR) break;
  }
  return unreadable(status, text);
}

/** The message in a line, which streams wrap in `result`. */
function messageIn(line: string, { status }: Response): Json {
  const answer = parsed(line);
  if (answer === undefined) throw unreadable(status, line);
  const refusal = refusalIn(answer);
  if (refusal !== undefined) throw refusal;
  const message = answer["result"] ?? answer;
  // Every message of etcd's has a header. Without one an answer of something else could pass for an empty list.
  if (!isRecord(message) || !isRecord(message["header"])) throw unreadable(status, line);
  return message;
}

function parsed(text: string): Json | undefined {
  try {
    const answer: unknown = JSON.parse(text);
    return isRecord(answer) ? answer : undefined;
  } catch {
    return undefined;
  }
}
