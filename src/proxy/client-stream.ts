import { Code, ConnectError } from "@connectrpc/connect";
import type { FailedAttempt } from "../call/failed-attempts.ts";
import { statusFields } from "../grpc/server/status.ts";
import { ServerStream } from "../http2/server/stream.ts";
import type { HeaderBlock } from "../http2/wire/header-block.ts";
import { HeaderTemplate } from "../http2/wire/hpack-encoder.ts";
import type { CallCounter } from "../snapshot.ts";
import type { Timer } from "../time/clock.ts";
import type { Deadlines } from "../time/deadline.ts";
import { clientError } from "./client-error.ts";
import { type HeldBytes, HeldRequest } from "./held-request.ts";
import type { RelayedMethods } from "./methods.ts";
import type { ResetAlarm } from "./reset-alarm.ts";
import type { RequestSection } from "./request-section.ts";
import type { ProxyRefusals } from "./web/refusals.ts";
import { type Relay, RelayedCall } from "./relayed-call.ts";
import { responseSection } from "./response-section.ts";
import type { ServedRoute } from "./routes.ts";
import type { Upstream } from "./upstream.ts";

const STATUS_ALONE = new HeaderTemplate([":status", "200", "content-type", "application/grpc"]);
const TRAILERS = new HeaderTemplate([]);

/** What all calls of a proxy share. */
export interface RelayHost {
  readonly calls: CallCounter;
  readonly refused: ProxyRefusals;
  readonly deadlines: Deadlines;
  readonly methods: RelayedMethods;
  readonly held: HeldBytes;
  readonly alarm: ResetAlarm;
  section(head: HeaderBlock, stream: ServerStream): RequestSection;
}

/** A client's call, which is relayed: its request goes to the attempt in flight, whose response comes back. */
export class RelayedStream extends ServerStream implements Relay {
  section!: RequestSection;
  readonly #host: RelayHost;
  readonly #head: HeaderBlock;
  readonly #route: ServedRoute;
  #call: RelayedCall | undefined = undefined;
  #upstream: Upstream | undefined = undefined;
  /** What another attempt would send; undefined once none can follow. */
  #request: HeldRequest | undefined;
  /** Bytes of the request for which the client gets no further credit until the server takes more. */
  #unread = 0;
  /** The same for the response. */
  #unsent = 0;
  #over = false;
  /** Set if the call was held for a moment. */
  #hold: Timer | undefined = undefined;

  constructor(host: RelayHost, head: HeaderBlock, route: ServedRoute) {
    super();
    // Of which kind the method is, nobody knows.
    this.longLived = true;
    this.#host = host;
    this.#head = head;
    this.#route = route;
    this.#request = new HeldRequest(host.held);
  }

  // The request

  override onOpen(): void {
    const { alarm, calls } = this.#host;
    calls.started++;
    const section = this.section = this.#host.section(this.#head, this);
    if (section.badTimeout) {
      return this.#fail(new ConnectError("protocol error: invalid grpc-timeout", Code.InvalidArgument));
    }
    if (alarm.on && alarm.holds(this.connection!.requests)) this.#hold = alarm.wait(() => this.#begin());
    else this.#begin();
  }

  #begin(): void {
    const { deadlines, methods } = this.#host, { environment } = this.#route, { section } = this;
    try {
      this.#call = new RelayedCall(environment, methods.of(section.path), this, deadlines);
    } catch (error) {
      return this.failed(error, []);
    }
    this.#call.start();
  }

  onData(chunk: Uint8Array, start: number, end: number): boolean {
    const upstream = this.#upstream;
    const held = this.#request?.add(chunk, start, end, upstream !== undefined) === true;
    if (upstream?.writeRange(chunk, start, end, this.endReceived) === true) this.consumed(end - start);
    else this.#unread += end - start;
    return !held;
  }

  onEnd(): void {
    this.#upstream?.end();
  }

  onFailed(): void {
    if (!this.headSent) this.#host.alarm.cancelled();
    this.#end(true);
    this.#call?.abandon();
  }

  override onOverloaded(): void {
    this.#call?.abandon();
    this.#fail(new ConnectError("proxy: it holds as much of unfinished requests as it may", Code.ResourceExhausted));
  }

  // What its attempts do

  get replayable(): boolean {
    return this.#request?.whole === true;
  }

  attach(upstream: Upstream): void {
    this.#upstream = upstream;
    const pieces = this.#request!.pieces();
    let room = true;
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i]!;
      room = upstream.writeRange(piece, 0, piece.length, this.endReceived && i === pieces.length - 1);
    }
    if (this.endReceived) upstream.end();
    if (room) this.upstreamWritable();
  }

  detach(): void {
    this.#upstream = undefined;
  }

  upstreamWritable(): void {
    const bytes = this.#unread;
    this.#unread = 0;
    if (bytes > 0) this.consumed(bytes);
  }

  began(head: HeaderBlock): void {
    if (this.#over) return;
    this.#commit();
    const { template, extra, bytes } = responseSection(head);
    if (bytes > this.connection!.maxResponseHeaderListBytes) return this.#tooLarge(bytes);
    this.respond(template, extra);
  }

  data(chunk: Uint8Array, start: number, end: number): boolean {
    if (this.#over) return true;
    if (this.writeRange(chunk, start, end)) this.#upstream!.consumed(end - start);
    else this.#unsent += end - start;
    return true;
  }

  override onWritable(): void {
    const bytes = this.#unsent;
    this.#unsent = 0;
    if (bytes > 0) this.#upstream?.consumed(bytes);
  }

  answered(head: HeaderBlock, trailers: HeaderBlock, error: ConnectError | undefined): void {
    if (this.#over) return;
    // A response of trailers alone, unless the head has gone to the client already.
    if (head === trailers && this.headSent) return this.failed(error, []);
    const { template, extra, bytes } = responseSection(trailers);
    if (bytes <= this.connection!.maxResponseHeaderListBytes) {
      this.#end(error !== undefined);
      this.finish(template, extra);
    } else if (error !== undefined) {
      this.#fail(new ConnectError(error.rawMessage, error.code));
    } else {
      this.#tooLarge(bytes);
    }
  }

  failed(error: unknown, attempts: readonly FailedAttempt[]): void {
    this.#fail(clientError(error, attempts));
  }

  #tooLarge(bytes: number): void {
    const most = this.connection!.maxResponseHeaderListBytes;
    this.#call?.abandon();
    this.#fail(
      new ConnectError(
        `proxy: the response's header fields take ${bytes} bytes, and ${most} are accepted`,
        Code.ResourceExhausted,
      ),
    );
  }

  #fail(error: ConnectError): void {
    if (this.#over) return;
    this.#end(true);
    const template = this.headSent ? TRAILERS : STATUS_ALONE;
    const most = this.connection!.maxResponseHeaderListBytes - template.bytes;
    this.finish(template, statusFields(error, undefined, most));
  }

  #end(failed: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#hold?.cancel();
    this.#commit();
    if (failed) this.#host.calls.failed++;
    else this.#host.calls.succeeded++;
  }

  /** No other attempt can follow. */
  #commit(): void {
    this.#request?.drop();
    this.#request = undefined;
  }
}
