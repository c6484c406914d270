/** A fault that was mended once, as a change of the source that puts it back. */
export interface OldFault {
  readonly name: string;
  readonly file: string;
  readonly now: string;
  readonly then: string;
}

export const OLD_FAULTS: readonly OldFault[] = [
  {
    name: "a call that frees its place does not wake those that wait for room",
    file: "src/grpc/link/grpc-link.ts",
    now: "if (this.#current === connection || this.#further?.has(connection)) this.#events.room?.();",
    then: "",
  },
  {
    name: "a call is repeated although it may have been processed",
    file: "src/call/retry.ts",
    now: "|| !this.#isSafe(method)) return undefined;",
    then: ") return undefined;",
  },
  {
    name: "a backoff that ended does not connect again",
    file: "src/connection/stateful-connection.ts",
    now: 'this.#phase.backoff?.cancel();\n    this.#become({ state: "idle", failure: this.#phase.failure });',
    then: "this.#phase.backoff?.cancel();",
  },
  {
    name: "a connection that was lost is not reported",
    file: "src/grpc/link/grpc-link.ts",
    now: "if (!this.#closed) this.#events.lost(cause);",
    then: "",
  },
  {
    name: "a keepalive ping that is not answered ends nothing",
    file: "src/http2/keepalive.ts",
    now: "this.#host.fail(new Http2Error(ErrorCode.NO_ERROR, why));",
    then: "void Http2Error; void ErrorCode; void why;",
  },
  {
    name: "the windows of streams are not renewed",
    file: "src/http2/lender.ts",
    now: "if (increment > 0) this.#writer.windowUpdate(stream.id, increment);",
    then: "void increment;",
  },
  {
    name: "an abandoned stream is never cancelled",
    file: "src/call/stream-end.ts",
    now: 'this.#abort.abort(new Error("the stream was abandoned by its reader"));',
    then: "",
  },
  {
    name: "a deadline is noticed a second late",
    file: "src/time/deadline.ts",
    now: "const atMs = this.#clock.now() + Math.max(0, delayMs);",
    then: "const atMs = this.#clock.now() + Math.max(0, delayMs) + 1_000;",
  },
  {
    name: "no pause between attempts to connect",
    file: "src/time/backoff.ts",
    now: "const base = Math.min(this.#maxMs, this.#initialMs * this.#factor ** this.#tries++);",
    then: "const base = this.#tries++ * 0;",
  },
  {
    name: "every reset stream counts as refused",
    file: "src/http2/client/receiver.ts",
    now: 'const processed = code === ErrorCode.REFUSED_STREAM && !stream.headReceived ? "refused" : "maybe";',
    then: 'const processed = "refused";',
  },
  {
    name: "a GOAWAY refuses calls that the server goes on with",
    file: "src/http2/client/connection.ts",
    now: "this.requests.active.between(lastStreamId, before)",
    then: "this.requests.active.between(0, before)",
  },
  {
    name: "keepalive is blind to short calls",
    file: "src/http2/keepalive.ts",
    now: "if (this.asking || !this.#started) return;",
    then: "if (this.asking || !this.#started) return;\n    this.#heardAt = this.#host.clock.now();",
  },
  {
    name: "backoff is not reset",
    file: "src/connection/stateful-connection.ts",
    now: "this.backoff.reset();",
    then: "",
  },
  {
    name: "what a stream has on loan is not given back",
    file: "src/http2/lender.ts",
    now: "    this.count(-loan);\n    if (unread > base)",
    then: "    if (unread > base)",
  },
  {
    name: "a stream that fails before it is read ends the process",
    file: "src/transport/calls.ts",
    now: "response.catch(() => {});",
    then: "",
  },
];
