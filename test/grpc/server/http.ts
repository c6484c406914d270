// Requests of any shape to a server of ours, joined in memory.
import type { TestContext } from "node:test";
import { Dispatcher } from "../../../src/grpc/server/dispatcher.ts";
import type { ServiceOptions } from "../../../src/grpc/server/options.ts";
import { Services } from "../../../src/grpc/server/services.ts";
import { Http2Connection } from "../../../src/http2/client/connection.ts";
import type { StreamError } from "../../../src/http2/client/stream-error.ts";
import { ClientStream } from "../../../src/http2/client/stream.ts";
import { ServerConnection } from "../../../src/http2/server/connection.ts";
import type { Peer } from "../../../src/http2/server/peer.ts";
import type { HeaderBlock } from "../../../src/http2/wire/header-block.ts";
import { HeaderTemplate } from "../../../src/http2/wire/hpack-encoder.ts";
import { bytePipe } from "../../support/byte-pipe.ts";

export interface Answer {
  readonly status: number;
  readonly head: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly text: string;
  readonly trailers: Readonly<Record<string, string>> | undefined;
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Uint8Array[];
}

class Exchange extends ClientStream {
  #head: HeaderBlock | undefined;
  #chunks: Uint8Array[] = [];
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (answer: Answer) => void, reject: (error: unknown) => void) {
    super();
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onHead(head: HeaderBlock): void {
    this.#head = head;
  }
  onData(chunk: Uint8Array, start: number, end: number): void {
    this.#chunks.push(chunk.slice(start, end));
    this.consumed(end - start);
  }
  onEnd(trailers: HeaderBlock | undefined): void {
    const body = Uint8Array.from(this.#chunks.flatMap((chunk) => [...chunk]));
    const text = new TextDecoder().decode(body);
    const fields = ({ fields }: HeaderBlock) =>
      Object.fromEntries(fields.flatMap((name, i) => i % 2 === 0 ? [[name, fields[i + 1]!]] : []));
    this.#resolve({
      status: this.#head!.status,
      head: fields(this.#head!),
      body,
      text,
      trailers: trailers && fields(trailers),
    });
  }
  onFailed(error: StreamError): void {
    this.#reject(error);
  }
}

/** A connection to a server, for requests one after another. */
export function asking(t: TestContext, options: ServiceOptions, peer?: Peer): (ask: Ask) => Promise<Answer> {
  const [ours, theirs] = bytePipe();
  const { accept } = new Dispatcher(new Services(options), undefined);
  new ServerConnection(theirs, {}, { accept, client: peer });
  const connection = new Http2Connection(ours, {});
  t.after(() => connection.close(0, 0));
  return ({ method = "POST", path = "/proto.Simple/Route", authority = "test", headers = {}, body }) =>
    new Promise((resolve, reject) => {
      const pseudo = [":method", method, ":scheme", "http", ":path", path, ":authority", authority];
      const exchange = new Exchange(resolve, reject);
      exchange.open(connection, new HeaderTemplate(pseudo), Object.entries(headers).flat());
      for (const piece of body ?? []) exchange.write(new Uint8Array(), piece, false);
      exchange.end();
    });
}

/** A length-prefixed message. */
export function envelope(bytes: Uint8Array, flags = 0): Uint8Array {
  const { length } = bytes;
  return Uint8Array.from([flags, length >>> 24, length >>> 16, length >>> 8, length, ...bytes]);
}
