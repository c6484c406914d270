// A client's header section, as it goes on to a server.

import { HeaderTemplate } from "../http2/wire/hpack-encoder.ts";
import type { HeaderBlock } from "../http2/wire/header-block.ts";
import type { Peer } from "../http2/server/peer.ts";
import type { Target } from "../grpc/client/method.ts";
import { parseTimeoutField } from "../grpc/timeout.ts";

/** The fields that calls of the same client have in common, save for the pseudo-header fields. */
const COMMON: ReadonlySet<string> = new Set(["content-type", "grpc-encoding", "grpc-accept-encoding", "user-agent"]);

/**
 * What concerns only the client's connection, or what only a proxy or a balancer may say: clients can't be believed. The
 * fields of HTTP/1.1's connections never get here.
 */
const DROPPED: ReadonlySet<string> = new Set([
  "content-length",
  "expect",
  "forwarded",
  "grpc-previous-rpc-attempts",
  "host",
  "http2-settings",
  "lb-token",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
]);

/** What a client's header section says to the proxy, and what goes on to a server. The same for equal sections. */
export interface RequestSection {
  readonly path: string;
  /** `grpc-timeout`; undefined if there is none. */
  readonly timeoutMs: number | undefined;
  /** It has a `grpc-timeout` that is not one. */
  readonly badTimeout: boolean;
  /** Fields that many calls have in common. */
  readonly common: CommonFields;
  /** The others, save for `grpc-timeout`: name, value, name, value … */
  readonly extra: readonly string[];
  /** All of those, as pickers and observers see them. */
  readonly header: HeadersInit;
}

/** Fields that many calls have in common, with the path, as templates for each server that they went to. */
export class CommonFields {
  readonly #path: string;
  readonly #fields: readonly string[];
  readonly #templates = new WeakMap<Target, HeaderTemplate>();
  #last: { readonly target: Target; readonly template: HeaderTemplate } | undefined;

  constructor(path: string, fields: readonly string[]) {
    this.#path = path;
    this.#fields = fields;
  }

  template(target: Target): HeaderTemplate {
    if (this.#last?.target === target) return this.#last.template;
    let template = this.#templates.get(target);
    if (template === undefined) {
      const { authority, scheme } = target;
      const pseudo = [":method", "POST", ":scheme", scheme, ":path", this.#path, ":authority", authority];
      template = new HeaderTemplate([...pseudo, ...this.#fields]);
      this.#templates.set(target, template);
    }
    this.#last = { target, template };
    return template;
  }
}

/** How many different sets of fields are remembered. */
const MOST_COMMON = 1_000;

/** Reads header sections. Clients that send deadlines or traces send another one with each call, so this must be cheap. */
export class RequestSections {
  readonly #common = new Map<string, CommonFields>();

  read(head: HeaderBlock, client: Peer): RequestSection {
    const { fields, path } = head;
    const common = ["te", "trailers", "x-forwarded-proto", client.secure === true ? "https" : "http"],
      extra: string[] = [];
    let timeout: string | undefined;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!, value = fields[i + 1]!;
      if (name === "grpc-timeout") timeout = value;
      else if (COMMON.has(name)) common.push(name, value);
      else if (!isDropped(name)) extra.push(name, value);
    }
    const own = forwarded(head.authority, client);
    const timeoutMs = timeout === undefined ? undefined : parseTimeoutField(timeout);
    return {
      path,
      timeoutMs,
      badTimeout: timeout !== undefined && timeoutMs === undefined,
      common: this.#commonOf(path, common),
      extra: [...extra, ...own],
      header: new FieldPairs(common, extra) as unknown as HeadersInit,
    };
  }

  #commonOf(path: string, fields: readonly string[]): CommonFields {
    const key = `${path}\n${fields.join("\n")}`;
    let common = this.#common.get(key);
    if (common === undefined) {
      if (this.#common.size >= MOST_COMMON) this.#common.clear();
      this.#common.set(key, common = new CommonFields(path, fields));
    }
    return common;
  }
}

/** Whether a field of a client's is dropped. */
export function isDropped(name: string): boolean {
  return DROPPED.has(name) || name.startsWith("x-forwarded-");
}

/** What the proxy says of where a call came from. */
export function forwarded(authority: string, { address }: Peer): string[] {
  const host = address === undefined || address.startsWith("unix:")
    ? undefined
    : address.slice(0, address.lastIndexOf(":"));
  return [
    ...host === undefined ? [] : ["x-forwarded-for", host.replace(/^\[(.*)\]$/, "$1")],
    ...authority === "" ? [] : ["x-forwarded-host", authority],
  ];
}

/** The fields as `Headers` takes them, which few calls need. */
class FieldPairs {
  readonly #lists: readonly (readonly string[])[];

  constructor(...lists: readonly (readonly string[])[]) {
    this.#lists = lists;
  }

  *[Symbol.iterator](): Iterator<[string, string]> {
    for (const fields of this.#lists) {
      for (let i = 0; i < fields.length; i += 2) yield [fields[i]!, fields[i + 1]!];
    }
  }
}
