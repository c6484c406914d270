import { ServerStream } from "../../http2/server/stream.ts";
import { HeaderTemplate } from "../../http2/wire/hpack-encoder.ts";

const NOTHING = new Uint8Array(0);

/** How much of a request's content is awaited. */
const AWAITED_BYTES = 64 * 1024;

/**
 * A request that is answered whatever its content is: with a status alone at once, with a body once the request is
 * complete or long, because clients of HTTP may look at a response only after they have sent all.
 */
export class ImmediateResponse extends ServerStream {
  #received = 0;
  readonly #template: HeaderTemplate;
  readonly #fields: readonly string[];
  readonly #body: Uint8Array | undefined;

  /** Without a body, the response is its header section alone. */
  constructor(template: HeaderTemplate, fields: readonly string[], body: Uint8Array | undefined) {
    super();
    this.#template = template;
    this.#fields = fields;
    this.#body = body;
  }

  override onOpen(): void {
    if (this.#body === undefined) this.finish(this.#template, this.#fields);
  }

  #answer(): void {
    if (this.#body === undefined) return;
    this.respond(this.#template, this.#fields);
    this.write(NOTHING, this.#body);
    this.end();
  }

  onData(_chunk: Uint8Array, start: number, end: number): void {
    this.consumed(end - start);
    this.#received += end - start;
    if (this.#received > AWAITED_BYTES) this.#answer();
  }
  onEnd(): void {
    this.#answer();
  }
  onFailed(): void {}
}

const byStatus = new Map<number, HeaderTemplate>();

/** The start of a response's header section. */
export function statusTemplate(status: number): HeaderTemplate {
  let template = byStatus.get(status);
  if (template === undefined) byStatus.set(status, template = new HeaderTemplate([":status", String(status)]));
  return template;
}

/** A response of HTTP with an explanation. */
export function textResponse(status: number, text: string, fields: readonly string[] = []): ImmediateResponse {
  const body = new TextEncoder().encode(`${text}\n`);
  const all = ["content-type", "text/plain; charset=utf-8", "content-length", String(body.length), ...fields];
  return new ImmediateResponse(statusTemplate(status), all, body);
}
