// How a recorder hears of calls on Connect's own path: that of the Connect and gRPC-Web protocols, and of other routers.

import type { DescMethod, Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextKey,
  type ContextValues,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
} from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Peer } from "../../http2/server/peer.ts";
import { ObservedCall, type Observers } from "./observed-call.ts";
import type { CallRecorder } from "./recorder.ts";
import type { Route } from "./route.ts";

/** One call, which ends once. */
class RecordedCall {
  /** Whether the recorder's interceptor sees to its end. */
  intercepted = false;
  /** The call as observers see it. */
  observed: ObservedCall | undefined;
  readonly #recorder: CallRecorder | undefined;
  readonly #method: DescMethod;
  #arrivedAtMs: number | undefined;

  constructor(recorder: CallRecorder | undefined, method: DescMethod) {
    this.#recorder = recorder;
    this.#method = method;
    this.#arrivedAtMs = recorder?.arrived(method);
  }

  end(error: unknown): void {
    this.observed?.end(error);
    const arrivedAtMs = this.#arrivedAtMs;
    if (arrivedAtMs === undefined) return;
    this.#arrivedAtMs = undefined;
    this.#recorder!.ended(this.#method, arrivedAtMs, error);
  }
}

/** Who hears of a server's calls. */
interface Hearers {
  readonly recorder: CallRecorder | undefined;
  readonly observers: Observers | undefined;
}

/** Where a server keeps a call that has arrived until its interceptors run. */
const key: ContextKey<RecordedCall | undefined> = createContextKey<RecordedCall | undefined>(undefined, {
  description: "connect-lb: a call that is recorded",
});

/** Answers a request by Connect's handler of a method, recorded from now on. */
export async function answerRecorded(
  { recorder, observers }: Hearers,
  { desc, universal }: Route,
  request: UniversalServerRequest,
  peer: Peer,
): Promise<UniversalServerResponse> {
  const { contextValues = createContextValues(), header, signal } = request;
  const call = new RecordedCall(recorder, desc);
  contextValues.set(key, call);
  if (observers !== undefined) {
    const protocol = /^application\/grpc-web/i.test(header.get("content-type") ?? "") ? "grpc-web" : "connect";
    call.observed = ObservedCall.start(observers, { method: desc, protocol, header, peer, contextValues }, false);
  }
  let response: UniversalServerResponse;
  try {
    response = await universal({ ...request, contextValues });
  } catch (error) {
    call.end(error);
    throw error;
  }
  // Left is what reaches neither the interceptor nor the gate, such as a request that can not be read.
  const leave = () => {
    if (!call.intercepted) call.end(new ConnectError("the call was refused or given up", Code.Canceled));
  };
  if (response.body === undefined) leave();
  else if (signal.aborted) leave();
  else if (!call.intercepted) {
    signal.addEventListener("abort", leave, { once: true });
    return { ...response, body: finishing(response.body, leave) };
  }
  return response;
}

async function* finishing<T>(items: AsyncIterable<T>, finished: () => void): AsyncIterable<T> {
  try {
    yield* items;
  } finally {
    finished();
  }
}

/** The interceptor of a recorder; without one, calls end for observers alone. */
export function recordingInterceptor(recorder: CallRecorder | undefined): Interceptor {
  return (next) => async (request) => {
    const arrived = request.contextValues.get(key);
    const call = arrived ?? new RecordedCall(recorder, request.method);
    call.intercepted = true;
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: streamed(recorder, call, request, response) };
      call.end(undefined);
      addField(recorder, response.trailer, request.contextValues);
      return response;
    } catch (error) {
      call.end(error);
      // On another router, any other error goes on as it is: what it says is not for the client, but may be for a log.
      throw arrived !== undefined || error instanceof ConnectError
        ? withTrailer(recorder, request.contextValues, error)
        : error;
    }
  };
}

/** A server's request gate, whose errors carry the recorder's field, too. */
export function recordingGate(
  recorder: CallRecorder | undefined,
  gate: (context: HandlerContext) => void | Promise<void>,
): (context: HandlerContext) => Promise<void> {
  return async (context) => {
    try {
      await gate(context);
    } catch (error) {
      context.values.get(key)?.end(error);
      throw withTrailer(recorder, context.values, error);
    }
  };
}

/** What the client gets of an error, with the recorder's field in its metadata. */
function withTrailer(recorder: CallRecorder | undefined, values: ContextValues, thrown: unknown): ConnectError {
  const error = thrown instanceof ConnectError
    ? thrown
    : new ConnectError("internal error", Code.Internal, undefined, undefined, thrown);
  addField(recorder, error.metadata, values);
  return error;
}

function addField(recorder: CallRecorder | undefined, to: Headers, values: ContextValues): void {
  if (recorder !== undefined) to.set(recorder.trailerName, recorder.trailer(values));
}

/** A response whose call is in flight until it ends, for whatever reason: it may never be read. */
function streamed(
  recorder: CallRecorder | undefined,
  call: RecordedCall,
  { contextValues, signal }: UnaryRequest | StreamRequest,
  { message, trailer }: StreamResponse,
): AsyncIterable<Message> {
  const end = (error: unknown) => {
    signal.removeEventListener("abort", aborted);
    call.end(error);
  };
  const aborted = () => end(signal.reason);
  if (signal.aborted) aborted();
  else signal.addEventListener("abort", aborted);
  return (async function* () {
    let failure: unknown;
    try {
      yield* message;
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      end(failure);
      addField(recorder, trailer, contextValues);
    }
  })();
}
