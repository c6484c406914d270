import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import type { Deadline } from "../../time/deadline.ts";
import { type LazyHeaders, lazyHeaders } from "../lazy-headers.ts";
import { metadataFields, RESPONSE_FIELDS } from "../metadata.ts";
import { CallSignal } from "./call-signal.ts";
import type { Exchange, Route } from "./route.ts";
import { OK } from "./status.ts";

/**
 * A call as its handler sees it. Most handlers look at one or two members, so each is created when it is first read:
 * all of them together would cost more than the rest of a small call.
 */
export class CallContext implements HandlerContext {
  readonly protocolName = "grpc";
  readonly #route: Route;
  readonly #exchange: Exchange;
  readonly #head: HeaderBlock;
  readonly #deadline: Deadline | undefined;
  #requestHeader: Headers | undefined = undefined;
  #responseHeader: LazyHeaders | undefined = undefined;
  #responseTrailer: LazyHeaders | undefined = undefined;
  #signal: CallSignal | undefined = undefined;
  #ended = false;
  #reason: unknown = undefined;
  #values: ContextValues | undefined;

  constructor(
    route: Route,
    exchange: Exchange,
    head: HeaderBlock,
    deadline: Deadline | undefined,
    values: ContextValues | undefined,
  ) {
    this.#route = route;
    this.#exchange = exchange;
    this.#head = head;
    this.#deadline = deadline;
    this.#values = values;
  }

  get method(): DescMethod {
    return this.#route.desc;
  }
  get service(): DescService {
    return this.#route.desc.parent;
  }
  get requestMethod(): string {
    return this.#head.method;
  }
  get url(): string {
    return urlOf(this.#head);
  }
  get timeoutMs(): () => number | undefined {
    const deadline = this.#deadline;
    // In whole milliseconds, as `grpc-timeout` has them, and never -0.
    return () => deadline && Math.ceil(deadline.leftMs()) + 0;
  }
  get requestHeader(): Headers {
    return this.#requestHeader ??= lazyHeaders(this.#head);
  }
  get responseHeader(): Headers {
    return this.#responseHeader ??= lazyHeaders({ fields: contentType(this.#exchange) });
  }
  get responseTrailer(): Headers {
    return this.#responseTrailer ??= lazyHeaders(OK);
  }
  get values(): ContextValues {
    return this.#values ??= createContextValues();
  }
  /** The context values, if there are any. */
  get givenValues(): ContextValues | undefined {
    return this.#values;
  }
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      this.#signal = new CallSignal(this.#route.options.shutdownSignal);
      if (this.#ended) this.#signal.end(this.#reason);
    }
    return this.#signal.signal;
  }

  /** The call has ended, with an error or without: aborts the signal. */
  end(reason: unknown): void {
    this.#ended = true;
    this.#reason = reason;
    this.#signal?.end(reason);
  }

  /** All members at once, as a plain object. */
  get all(): HandlerContext {
    const { method, service, requestMethod, url, timeoutMs, requestHeader, responseHeader, responseTrailer } = this;
    const { values, signal, protocolName } = this;
    return {
      method,
      service,
      requestMethod,
      url,
      timeoutMs,
      requestHeader,
      responseHeader,
      responseTrailer,
      values,
      signal,
      protocolName,
    };
  }

  /**
   * The handler's own fields for the response's header section, if there are any.
   *
   * @throws ConnectError Internal for a field that is invalid in a header
   */
  get headerFields(): string[] | undefined {
    return fieldsOf(this.#responseHeader);
  }

  /** The same for the trailers. */
  get trailerFields(): string[] | undefined {
    return fieldsOf(this.#responseTrailer);
  }
}

function fieldsOf(headers: LazyHeaders | undefined): string[] | undefined {
  if (headers === undefined || !headers.built) return undefined;
  const fields = metadataFields(headers, RESPONSE_FIELDS);
  return fields.length === 0 ? undefined : fields;
}

function contentType({ head: { fields } }: Exchange): string[] {
  const at = fields.indexOf("content-type");
  return fields.slice(at, at + 2);
}

/** The URL of a request: valid whatever the client says, and with its path, whatever is in the authority. */
export function urlOf(head: HeaderBlock): string {
  const path = head.path.startsWith("/") ? head.path : `/${head.path}`;
  const authority = head.authority || head.get("host") || "localhost";
  const origin = `${head.scheme}://${authority}`;
  if (origin !== validOrigin) {
    // A path that begins with a slash can't make a URL invalid.
    if (!AUTHORITY.test(authority) || !URL.canParse(origin)) return `http://localhost${path}`;
    validOrigin = origin;
  }
  return origin + path;
}

/** The last one that was seen: most requests to a server have the same. */
let validOrigin = "";

const AUTHORITY = /^[^/?#\\@\s]+$/;
