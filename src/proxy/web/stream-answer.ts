import { ConnectError, type StreamResponse } from "@connectrpc/connect";
import type { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { systemClock } from "../../time/clock.ts";
import { isClientDeadline } from "./client-deadline.ts";
import { frame } from "./messages.ts";
import type { WebCall } from "./web-call.ts";

/** The messages of a server, as a transport yields them. */
export type RawResponse = StreamResponse<typeof BytesValueSchema, typeof BytesValueSchema>;

/** What hears of the end of a response. */
export interface StreamEnd {
  /** Ends the call. */
  readonly cancel: () => void;
  readonly ended: WebCall["ended"];
  readonly shown: WebCall["shown"];
}

/** Writes the last frame of a response: its trailers, and why it failed. */
export type LastFrame = (trailer: Headers, error: ConnectError | undefined) => Uint8Array;

/**
 * The content of a response: its messages behind their prefixes, then the last frame. A reader that stops early ends
 * the call.
 */
export async function* frames(
  response: RawResponse,
  last: LastFrame,
  { cancel, ended, shown }: StreamEnd,
): AsyncGenerator<Uint8Array, void> {
  let complete = false;
  try {
    let error: ConnectError | undefined;
    try {
      for await (const { value } of response.message) yield frame(0, value);
    } catch (thrown) {
      error = shown(ConnectError.from(thrown));
    }
    complete = true;
    ended(error !== undefined);
    yield last(response.trailer, error);
  } finally {
    if (!complete) {
      ended(true);
      cancel();
    }
  }
}

/** The content of a response that is its last frame alone. */
// deno-lint-ignore require-await
export async function* lastFrameAlone(error: ConnectError, last: LastFrame): AsyncGenerator<Uint8Array, void> {
  yield last(new Headers(), error);
}

/** A signal that aborts by itself, and with a client's one, unless the client leaves because its deadline has passed. */
export function linkedSignal(
  signal: AbortSignal,
  timeoutMs: number | undefined,
): { readonly signal: AbortSignal; readonly cancel: () => void } {
  const own = new AbortController();
  const cancel = () => own.abort(signal.reason);
  if (signal.aborted) cancel();
  else {
    const endMs = systemClock.now() + (timeoutMs ?? Infinity);
    const left = () => isClientDeadline(endMs - systemClock.now(), timeoutMs ?? 0) || cancel();
    signal.addEventListener("abort", left, { once: true });
  }
  return { signal: own.signal, cancel };
}

/** An error with its code, message and details alone: its metadata are among the trailers already. */
export function bareError({ code, details, rawMessage }: ConnectError): ConnectError {
  const bare = new ConnectError(rawMessage, code);
  bare.details = details;
  return bare;
}
