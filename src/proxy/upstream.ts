import { Code, ConnectError } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { GrpcTransport } from "../grpc/client/grpc-transport.ts";
import { notGrpc, sectionInfo, streamFailure, trailerError } from "../grpc/client/status.ts";
import { metadataFields, REQUEST_FIELDS } from "../grpc/metadata.ts";
import { timeoutField } from "../grpc/timeout.ts";
import type { StreamError } from "../http2/client/stream-error.ts";
import { ClientStream } from "../http2/client/stream.ts";
import type { HeaderBlock } from "../http2/wire/header-block.ts";
import type { RequestSection } from "./request-section.ts";

/** What hears of a server's response. */
export interface UpstreamEvents {
  /** The response began, and goes on. */
  began(head: HeaderBlock): void;
  /**
   * A piece of its content: bytes count against the stream's window until they are `consumed`. Returns true if nothing
   * of the chunk is kept.
   */
  data(chunk: Uint8Array, start: number, end: number): boolean;
  /** The whole response arrived. `error`: what its status says, if not OK. */
  ended(head: HeaderBlock, trailers: HeaderBlock | undefined, error: ConnectError | undefined): void;
  /** There will be no whole response. */
  failed(error: ConnectError): void;
  /** The server takes more of the request. */
  writable(): void;
}

/** One attempt of a relayed call: the stream to a server. */
export class Upstream extends ClientStream {
  // Of which kind the method is, nobody knows.
  override readonly longLived = true;
  readonly #events: UpstreamEvents;
  #head: HeaderBlock | undefined = undefined;

  constructor(events: UpstreamEvents) {
    super();
    this.#events = events;
  }

  /**
   * Sends the header section of the request. `header`: the section's own, or what the balancer made of it.
   *
   * @throws what the link throws if it has no connection
   */
  start(
    transport: Transport,
    section: RequestSection,
    header: HeadersInit | undefined,
    timeoutMs: number | undefined,
  ): void {
    if (!(transport instanceof GrpcTransport)) {
      const text = "a proxy's calls need links of grpcConnector(), without interceptors";
      throw new ConnectError(text, Code.Internal);
    }
    const connection = transport.connection();
    let { extra } = section;
    if (header !== undefined && header !== section.header) extra = withChanges(extra, section.header, header);
    if (timeoutMs !== undefined) extra = [...extra, "grpc-timeout", timeoutField(timeoutMs)];
    this.open(connection, section.common.template(transport.target), extra);
  }

  override onWritable(): void {
    this.#events.writable();
  }

  onHead(head: HeaderBlock): void {
    this.#head = head;
    if (!sectionInfo(head).response) {
      this.cancel();
      return this.#events.failed(notGrpc(head));
    }
    // A response of trailers alone may yet be followed by another attempt.
    if (!this.endReceived) this.#events.began(head);
  }

  onData(chunk: Uint8Array, start: number, end: number): boolean {
    return this.#events.data(chunk, start, end);
  }

  onEnd(trailers: HeaderBlock | undefined): void {
    const head = this.#head!;
    const ok = sectionInfo(trailers ?? head).status === "ok";
    this.#events.ended(head, trailers, ok ? undefined : trailerError(head, trailers ?? head));
  }

  onFailed(error: StreamError): void {
    this.#events.failed(streamFailure(error));
  }
}

/** The fields with what a picker or an observer added or changed. */
function withChanges(fields: readonly string[], before: HeadersInit, after: HeadersInit): readonly string[] {
  const known = new Headers(before), changed = new Set<string>(), added: string[] = [];
  const all = metadataFields(after, REQUEST_FIELDS);
  for (let i = 0; i < all.length; i += 2) {
    const name = all[i]!;
    if (known.get(name) === all[i + 1] || name === "user-agent") continue;
    changed.add(name);
    added.push(name, all[i + 1]!);
  }
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) if (!changed.has(fields[i]!)) kept.push(fields[i]!, fields[i + 1]!);
  return [...kept, ...added];
}
