import { Code, ConnectError } from "@connectrpc/connect";
import { asError } from "../error-text.ts";
import { callFetch, type Fetch, type Fetcher } from "../fetcher.ts";
import { markAttempt } from "../connection/mark.ts";
import { classifyTransportError } from "../connection/transport-error.ts";

/** A request. */
export interface HttpRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | null;
  readonly signal: AbortSignal;
}

/** A response whose body is read in pieces. */
export interface HttpResponse {
  readonly status: number;
  readonly header: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Sends a request over fetch. Only this code knows what fetch itself threw, and marks it: the connection could not be
 * opened, or was lost.
 */
export async function exchange(
  fetcher: Fetch | Fetcher | undefined,
  url: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  const response = await send(fetcher, url, request);
  refuseRedirect(response);
  const { status, headers, body } = response;
  return { status, header: responseHeaders(headers), body: pieces(body, request.signal) };
}

async function send(fetcher: Fetch | Fetcher | undefined, url: string, request: HttpRequest): Promise<Response> {
  const pending = callFetch(fetcher ?? fetch, url, { ...request, redirect: "manual" });
  let response: Response;
  try {
    response = await unlessAborted(pending, request.signal);
  } catch (error) {
    if (!request.signal.aborted) throw failed(error);
    pending.then(({ body }) => body?.cancel()).catch(() => {});
    throw error;
  }
  // Cloudflare's edge answers with these when it can't reach a server, or lost the connection to it.
  if (/^5(2[0-7]|30)$/.test(`${response.status}`)) {
    throw markAttempt(new Error(`HTTP ${response.status}`), "maybe-processed");
  }
  return response;
}

/** Marks what fetch threw. A ConnectError is what a user's own function means to report. */
function failed(error: unknown): Error {
  const thrown = asError(error);
  if (thrown instanceof ConnectError) return thrown;
  if (/illegal invocation/i.test(thrown.message)) {
    const hint =
      "option fetch is a method without its object: give the object, or (url, init) => object.fetch(url, init)";
    return new ConnectError(hint, Code.Internal, undefined, undefined, thrown);
  }
  return markAttempt(thrown, classifyTransportError(thrown) === "not-sent" ? "not-sent" : "maybe-processed");
}

/** A redirected POST would become a GET; a page sees no more of a redirect than status 0. */
function refuseRedirect({ status }: Response): void {
  if (status !== 0 && (status < 300 || status > 399)) return;
  const which = status === 0 ? "" : ` (HTTP ${status})`;
  throw new ConnectError(`the server redirects the call${which}, and calls are not redirected`, Code.Unknown);
}

/** Without what described the body before fetch decompressed it. */
function responseHeaders(header: Headers): Headers {
  if (!header.has("content-encoding")) return header;
  const headers = new Headers(header);
  headers.delete("content-encoding");
  headers.delete("content-length");
  return headers;
}

/**
 * The promise, or the signal's reason: the caller's iterable may never yield again, a fetch of the user's may ignore the
 * signal, and Deno's does now and then.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

async function* pieces(body: Response["body"], signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw signal.aborted ? error : markAttempt(asError(error), "maybe-processed");
  } finally {
    reader.cancel().catch(() => {});
  }
}
