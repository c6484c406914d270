import { textOfCauses } from "../../connection/causes.ts";
import { callFetch } from "../../fetcher.ts";
import { readLines, readText } from "../../response-lines.ts";
import { shownText } from "../../shown-text.ts";
import type { Clock } from "../../time/clock.ts";
import { untilAborted } from "../../time/until-aborted.ts";
import { Watchdog } from "../../time/watchdog.ts";
import { errorInWatch, errorOf, KubernetesError } from "./api-error.ts";
import { aLabel, type KubernetesCluster } from "./cluster.ts";
import { type EndpointSlice, list, readSlice, record, text } from "./endpoint-slice.ts";

/** How long the API server may take for a list, and to begin a watch, in milliseconds. */
const REQUEST_MS = 10_000;
/**
 * How long a watch may be silent, in milliseconds. The server sends a bookmark about once a minute; where it does not,
 * an idle service is listed and watched again this often, which costs two requests.
 */
const SILENCE_MS = 90_000;
/** The longest list, and the longest line of a watch, in characters. A slice has at most 1,000 endpoints. */
const MOST_LIST = 2 ** 27, MOST_LINE = 2 ** 24;
/** How much of an error is read, in characters. */
const MOST_ERROR = 2 ** 16;

/** The slices of a service at one moment. */
export interface ListedSlices {
  readonly resourceVersion: string;
  readonly slices: readonly EndpointSlice[];
}

/** A change of a slice, or the news that there was none until now. */
export type SliceEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly slice: EndpointSlice; readonly resourceVersion: string }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/** A watch that has been opened. */
export interface OpenSliceWatch {
  readonly events: AsyncIterable<SliceEvent>;
  /** It has to say something within this time, or it counts as silent. */
  expect(withinMs: number): void;
}

/** A watch said nothing for too long. Its connection may be dead; nothing says that it is. */
export class SilentWatch extends Error {
  override readonly name = "SilentWatch";
}

/** The requests to the API server for the slices of one service. */
export class EndpointSliceApi {
  readonly #cluster: KubernetesCluster;
  readonly #service: string;
  readonly #givenNamespace: string | undefined;
  readonly #clock: Clock;

  constructor(cluster: KubernetesCluster, service: string, namespace: string | undefined, clock: Clock) {
    this.#cluster = cluster;
    this.#service = service;
    this.#givenNamespace = namespace;
    this.#clock = clock;
  }

  /** @throws KubernetesError if it is refused; the signal's reason */
  async list(signal: AbortSignal): Promise<ListedSlices> {
    const watchdog = new Watchdog(this.#clock, signal);
    try {
      watchdog.within(REQUEST_MS, unanswered);
      const response = await this.#get({}, watchdog.signal);
      const answer = parsed(await readText(response, MOST_LIST, watchdog.signal)), items = answer["items"];
      const resourceVersion = text(record(answer["metadata"])["resourceVersion"]);
      if (resourceVersion === undefined || !Array.isArray(items ?? [])) throw strange(response);
      return { resourceVersion, slices: list(items).flatMap((item) => readSlice(item) ?? []) };
    } catch (error) {
      throw failure(error, watchdog.signal);
    } finally {
      watchdog.stop();
    }
  }

  /**
   * Watches from a resource version on, for at most `timeoutSeconds`, and calls `read` once it is open. Settles like it.
   *
   * @throws KubernetesError if it is refused; SilentWatch; the signal's reason
   */
  async watch(
    { resourceVersion, timeoutSeconds }: { readonly resourceVersion: string; readonly timeoutSeconds: number },
    signal: AbortSignal,
    read: (watch: OpenSliceWatch) => Promise<void>,
  ): Promise<void> {
    const watchdog = new Watchdog(this.#clock, signal);
    const query = { watch: "1", allowWatchBookmarks: "true", resourceVersion, timeoutSeconds: String(timeoutSeconds) };
    const expect = (withinMs: number) => {
      watchdog.within(withinMs, () => new SilentWatch(`the watch was silent for ${withinMs} ms`));
    };
    try {
      watchdog.within(REQUEST_MS, unanswered);
      const response = await this.#get(query, watchdog.signal);
      expect(SILENCE_MS);
      await read({ events: this.#events(response, watchdog.signal, () => expect(SILENCE_MS)), expect });
    } catch (error) {
      throw failure(error, watchdog.signal);
    } finally {
      watchdog.abort(new Error("the watch has ended"));
      watchdog.stop();
    }
  }

  async *#events(response: Response, signal: AbortSignal, onLine: () => void): AsyncGenerator<SliceEvent, void> {
    for await (const line of response.body === null ? [] : readLines(response.body, MOST_LINE, signal)) {
      onLine();
      if (line.trim() === "") continue;
      const { type, object } = parsed(line);
      if (type === "ERROR") throw errorInWatch(object, await this.#namespace());
      const resourceVersion = text(record(record(object)["metadata"])["resourceVersion"]);
      if (resourceVersion === undefined) continue;
      if (type === "BOOKMARK") yield { type, resourceVersion };
      const slice = readSlice(object);
      if (slice === undefined) continue;
      if (type === "ADDED" || type === "MODIFIED" || type === "DELETED") yield { type, slice, resourceVersion };
    }
  }

  async #get(query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> {
    const { server, token, fetch = globalThis.fetch } = this.#cluster;
    const namespace = await untilAborted(this.#namespace(), signal);
    const selector = `kubernetes.io/service-name=${this.#service}`;
    const url = `${server.replace(/\/+$/, "")}/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?` +
      new URLSearchParams({ labelSelector: selector, ...query });
    const headers: Record<string, string> = { accept: "application/json" };
    const bearer = await untilAborted(Promise.resolve(token?.()), signal);
    if (bearer !== undefined) headers["authorization"] = `Bearer ${checkToken(bearer)}`;
    // Elsewhere nobody must see the token.
    const request = callFetch(fetch, url, { method: "GET", headers, redirect: "manual", signal });
    const response = await untilAborted(request, signal);
    if (response.ok) return response;
    throw errorOf(response, await readText(response, MOST_ERROR, signal), namespace);
  }

  async #namespace(): Promise<string> {
    const { namespace = "default" } = this.#cluster;
    const found = this.#givenNamespace ?? (typeof namespace === "function" ? await namespace() : namespace);
    aLabel("namespace", found);
    return found;
  }
}

const unanswered = () => new Error(`the Kubernetes API server did not answer within ${REQUEST_MS} ms`);

/** @throws TypeError that doesn't show it */
function checkToken(token: unknown): string {
  const trimmed = typeof token === "string" ? token.trim() : "";
  if (!/^[\x21-\x7e]+$/.test(trimmed)) {
    throw new TypeError("the token of the Kubernetes API server is empty or not one");
  }
  return trimmed;
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    return record(JSON.parse(line));
  } catch {
    throw new Error(`the Kubernetes API server answered with something other than JSON: ${shownText(line)}`);
  }
}

function strange({ status }: Response): Error {
  return new Error(`the answer (${status}) is not a list of EndpointSlices: is this a Kubernetes API server?`);
}

/** What ended a request: why it was given up, what the server said, or why it could not be reached. */
function failure(thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (thrown instanceof KubernetesError) return thrown;
  return new Error(`no answer of the Kubernetes API server: ${shownText(textOfCauses(thrown))}`, { cause: thrown });
}
