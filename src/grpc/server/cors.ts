// Cross-origin requests of browsers (WHATWG Fetch, "CORS protocol"), with Connect's lists of header fields.

import { cors } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  type Check,
  type Checks,
  flag,
  group,
  listOf,
  millisecondsFrom0,
  required,
  wrongOption,
} from "../../option.ts";

/** Which pages of other origins may call a server. */
export interface CorsOptions {
  /** Their origins, such as `https://app.example`; `"*"`: all. */
  origins: "*" | readonly string[];
  /** Request header fields that they may send, besides those of Connect's protocols. Defaults to none. */
  allowedHeaders?: readonly string[];
  /** Response header fields that they may read, besides those of Connect's protocols. Defaults to none. */
  exposedHeaders?: readonly string[];
  /** Whether browsers may send cookies and other credentials. Defaults to false. Not with all origins. */
  credentials?: boolean;
  /** How long browsers may remember these answers, in milliseconds. Defaults to two hours. */
  maxAgeMs?: number;
}

const names = listOf(
  "an array of header field names",
  (name) => typeof name === "string" && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name),
);

const origins: Check = (name, value) => {
  if (value === "*") return;
  if (!Array.isArray(value)) {
    throw wrongOption(name, value, 'an array of origins such as "https://app.example", or "*"');
  }
  for (const [index, origin] of value.entries()) {
    if (isOrigin(origin)) continue;
    const all = origin === "*" ? `. For all origins, ${name} is "*" itself, without an array` : ", without a path";
    throw wrongOption(`${name}[${index}]`, origin, `an origin such as "https://app.example"${all}`);
  }
};

const CORS_OPTIONS: Checks<CorsOptions> = {
  origins: required(origins),
  allowedHeaders: names,
  exposedHeaders: names,
  credentials: flag,
  maxAgeMs: millisecondsFrom0,
};

/** The check of a `cors` option. */
export const corsOption: Check = (name, value) => {
  group<CorsOptions>("an object with origins", name, CORS_OPTIONS)(name, value);
  const { credentials, origins } = value as CorsOptions;
  if (credentials === true && origins === "*") {
    throw new TypeError(`option ${name}.credentials is true: browsers refuse that with all origins, so name them`);
  }
};

function isOrigin(value: unknown): boolean {
  return typeof value === "string" && URL.canParse(value) && new URL(value).origin === value;
}

/** Answers preflight requests and adds the header fields that browsers look for. */
export class Cors {
  readonly #options: CorsOptions;
  readonly #allowed: string;
  readonly #exposed: string;

  constructor(options: CorsOptions) {
    this.#options = options;
    this.#allowed = [...cors.allowedHeaders, ...options.allowedHeaders ?? []].join(", ");
    this.#exposed = [...cors.exposedHeaders, ...options.exposedHeaders ?? []].join(", ");
  }

  /** The answer to a preflight request; undefined for any other. */
  preflight({ method, header }: UniversalServerRequest): UniversalServerResponse | undefined {
    if (method !== "OPTIONS" || !header.has("origin") || !header.has("access-control-request-method")) return undefined;
    const { maxAgeMs = 7_200_000 } = this.#options;
    const answer = this.#allow(header.get("origin")!, new Headers());
    if (answer.has("access-control-allow-origin")) {
      answer.set("access-control-allow-methods", cors.allowedMethods.join(", "));
      answer.set("access-control-allow-headers", this.#allowed);
      answer.set("access-control-max-age", String(Math.floor(Math.min(maxAgeMs, 86_400_000) / 1_000)));
    }
    return { status: 204, header: answer };
  }

  /** A response that the page which asked may read. */
  readable({ header }: UniversalServerRequest, response: UniversalServerResponse): UniversalServerResponse {
    const origin = header.get("origin");
    if (origin === null) return response;
    const headers = this.#allow(origin, new Headers(response.header));
    if (headers.has("access-control-allow-origin")) headers.set("access-control-expose-headers", this.#exposed);
    return { ...response, header: headers };
  }

  #allow(origin: string, headers: Headers): Headers {
    const { credentials, origins } = this.#options;
    if (origins === "*") {
      headers.set("access-control-allow-origin", "*");
      return headers;
    }
    headers.append("vary", "Origin");
    if (!origins.includes(origin)) return headers;
    headers.set("access-control-allow-origin", origin);
    if (credentials === true) headers.set("access-control-allow-credentials", "true");
    return headers;
  }
}
