import { ServerStream } from "../../http2/server/stream.ts";
import { HeaderTemplate } from "../../http2/wire/hpack-encoder.ts";

const NOTHING = new Uint8Array(0);

/** A request that is answered whatever its content is. */
export class ImmediateResponse extends ServerStream {
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
    if (this.#body === undefined) return this.finish(this.#template, this.#fields);
    this.respond(this.#template, this.#fields);
    this.write(NOTHING, this.#body);
    this.end();
  }

  onData(_chunk: Uint8Array, start: number, end: number): void {
    this.consumed(end - start);
  }
  onEnd(): void {}
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
