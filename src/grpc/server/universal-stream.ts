// Connect's own handlers on a stream of HTTP/2, for all protocols but gRPC.

import type { ContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Peer } from "../../http2/server/peer.ts";
import { ServerStream } from "../../http2/server/stream.ts";
import { ErrorCode, type Http2Error } from "../../http2/wire/error.ts";
import { type HeaderBlock, isConnectionSpecific } from "../../http2/wire/header-block.ts";
import { headersOf } from "../lazy-headers.ts";
import type { Deadlines } from "../../time/deadline.ts";
import { BodyBytes } from "./body-bytes.ts";
import { incomingRequest } from "./call.ts";
import { urlOf } from "./context.ts";
import { statusTemplate } from "./immediate-response.ts";
import type { IncomingRequest } from "./options.ts";
import { Refusal } from "./refusal.ts";
import { canceledBy } from "./request-error.ts";
import { Responses, type ResponseSink } from "./responses.ts";
import { NO_FIELDS } from "./status.ts";

/** Answers a request of any of Connect's protocols. */
export type UniversalDispatch = (request: UniversalServerRequest, client: Peer) => Promise<UniversalServerResponse>;

const NOTHING = new Uint8Array(0);

/** One request for a handler of Connect's. */
export class UniversalStream extends ServerStream implements ResponseSink {
  readonly #head: HeaderBlock;
  readonly #dispatch: UniversalDispatch;
  readonly #contextValues: ((request: IncomingRequest) => ContextValues) | undefined;
  readonly #body: BodyBytes = new BodyBytes(this);
  readonly #abort = new AbortController();
  #response: UniversalServerResponse | undefined = undefined;
  #responses: Responses | undefined = undefined;
  #over = false;
  readonly #deadlines: Deadlines;
  #refusal: Refusal | undefined = undefined;

  constructor(
    head: HeaderBlock,
    longLived: boolean,
    dispatch: UniversalDispatch,
    contextValues: ((request: IncomingRequest) => ContextValues) | undefined,
    deadlines: Deadlines,
  ) {
    super();
    this.#head = head;
    this.longLived = longLived;
    this.#dispatch = dispatch;
    this.#contextValues = contextValues;
    this.#deadlines = deadlines;
  }

  override onOpen(): void {
    this.beginHandling();
    this.#respond().catch((error) => {
      this.handled();
      this.fail(error);
    });
  }

  async #respond(): Promise<void> {
    const response = this.#response = await this.#dispatch({
      httpVersion: "2.0",
      url: urlOf(this.#head),
      method: this.#head.method,
      header: headersOf(this.#head),
      body: this.#body,
      signal: this.#abort.signal,
      ...this.#contextValues !== undefined && { contextValues: this.#contextValues(incomingRequest(this.#head, this)) },
    }, this.connection!.client);
    // The handler of a unary method reads its request to the end, except for one that it refuses.
    if (!this.longLived && !this.endReceived && !this.#over && this.#body.begun) await this.#rest();
    if (response.body === undefined) {
      this.handled();
      return this.complete();
    }
    const responses = this.#responses = new Responses(this, response.body);
    if (this.#over) responses.stop(this.#abort.signal.reason);
    else responses.pull();
  }

  /** Drops the rest of the request. */
  #rest(): Promise<void> {
    this.#body.drop(undefined);
    this.longLived = true; // What is dropped doesn't count as buffered.
    return new Promise((resolve) => this.#refusal = new Refusal(this.#deadlines, resolve));
  }

  onData(chunk: Uint8Array, start: number, end: number): void {
    this.#body.push(chunk.slice(start, end));
    this.#refusal?.dropped(end - start);
  }

  onEnd(): void {
    this.#body.end();
    this.#refusal?.complete();
  }

  onFailed(error: Http2Error): void {
    this.#end(canceledBy(error));
  }

  override onWritable(): void {
    this.#responses?.room();
  }

  // What its responses need

  get over(): boolean {
    return this.#over;
  }

  send(bytes: unknown): boolean {
    this.#sendHead();
    return this.write(NOTHING, bytes as Uint8Array);
  }

  complete(): void {
    if (this.#over) return;
    this.#sendHead();
    const trailers = fieldsOf(this.#response!.trailer);
    this.#end(undefined);
    if (trailers.length === 0) this.end();
    else this.finish(NO_FIELDS, trailers);
  }

  /** Not before there is content: until then, handlers may set fields. */
  #sendHead(): void {
    const { status, header } = this.#response!;
    if (!this.headSent) this.respond(statusTemplate(status), fieldsOf(header));
  }

  /** Connect's handlers put their errors into the response: this is one of the server's own. */
  fail(error: unknown): void {
    if (this.#over) return;
    console.error("connect-lb: a request could not be answered", error);
    const { headSent } = this;
    this.#end(error);
    if (headSent) return this.reset(ErrorCode.INTERNAL_ERROR);
    this.respond(statusTemplate(500), ["content-length", "0"]);
    this.end();
  }

  handled(): void {
    this.endHandling();
  }

  #end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#body.drop(error);
    this.#abort.abort(error);
    this.#responses?.stop(error);
    this.#refusal?.complete();
  }
}

function fieldsOf(headers: Headers | undefined): string[] {
  const fields: string[] = [];
  headers?.forEach((value, name) => {
    if (!isConnectionSpecific(name)) fields.push(name, value);
  });
  return fields;
}
