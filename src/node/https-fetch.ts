// A fetch that trusts a private CA: Node's own takes none.

import https from "node:https";
import type { IncomingMessage } from "node:http";
import { asError } from "../error-text.ts";
import type { Fetch } from "../fetcher.ts";
import { readTlsOptions, type TlsSource, tlsSource } from "./tls-options.ts";

/** Statuses of responses without a body, which `Response` refuses to have one. */
const WITHOUT_BODY = new Set([101, 204, 205, 304]);
const NEVER = new AbortController().signal;

/**
 * A `fetch` for `https://` servers that the runtime's own can't reach: whose certificate a private CA has signed, or that
 * require a client's certificate. `httpsFetch({ ca })` is for the `fetch` option of `createGatewayRegistry`,
 * `createConsulRegistry` and a Kubernetes cluster.
 *
 * Each request has a connection of its own, and a function as `tls` is called for each one, so that certificates can
 * change while the process runs. Redirects are returned, not followed. The body of a request is text.
 *
 * @throws TypeError for an invalid option, which names it, but never its value
 */
export function httpsFetch(tls: TlsSource): Fetch {
  tlsSource("tls", tls);
  return async (url, { method = "GET", headers, body, signal }) => {
    const until = signal ?? NEVER;
    const options = await readTlsOptions(tls, until);
    until.throwIfAborted();
    if (body !== undefined && body !== null && typeof body !== "string") throw new TypeError("the body is not text");
    return await new Promise((resolve, reject) => {
      const request = https.request(url, {
        ...options,
        method,
        agent: false,
        headers: Object.fromEntries(new Headers(headers)),
      });
      const abort = () => request.destroy(asError(until.reason));
      until.addEventListener("abort", abort);
      request.on("close", () => until.removeEventListener("abort", abort));
      request.on("error", reject);
      request.on("response", (message) => resolve(responseOf(message)));
      request.end(body ?? undefined);
    });
  };
}

function responseOf(message: IncomingMessage): Response {
  const { statusCode: status = 0 } = message, headers = new Headers();
  for (const [name, value] of Object.entries(message.headers)) {
    for (const item of Array.isArray(value) ? value : [value ?? ""]) headers.append(name, item);
  }
  if (!WITHOUT_BODY.has(status)) return new Response(bodyOf(message), { status, headers });
  message.resume();
  return new Response(null, { status, headers });
}

/** The body as it arrives; it is read no faster than its reader takes it. */
function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array> {
  let done = false;
  return new ReadableStream({
    start(controller) {
      const end = (finish: () => void) => {
        if (done) return;
        done = true;
        finish();
      };
      message.on("data", (chunk: Uint8Array) => {
        if (done) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) message.pause();
      });
      message.on("end", () => end(() => controller.close()));
      message.on("error", (error) => end(() => controller.error(error)));
      message.on(
        "close",
        () => end(() => controller.error(new Error("the connection was closed within the response"))),
      );
    },
    pull: () => void message.resume(),
    cancel() {
      done = true;
      message.destroy();
    },
  });
}
