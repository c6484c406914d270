// A server's header sections, as they go on to a client.

import { sectionInfo } from "../grpc/client/status.ts";
import type { HeaderBlock } from "../http2/wire/header-block.ts";
import { fieldListBytes, HeaderTemplate } from "../http2/wire/hpack-encoder.ts";

/** A header section or trailers. */
export interface ResponseSection {
  readonly template: HeaderTemplate;
  /** Name, value, name, value …; undefined: no others. */
  readonly extra: readonly string[] | undefined;
  /** Its size as RFC 7541 section 4.1 counts. */
  readonly bytes: number;
}

const COMMON: ReadonlySet<string> = new Set(["content-type", "grpc-accept-encoding", "grpc-encoding"]);

/** How many different sets of fields are remembered. */
const MOST_TEMPLATES = 100;

const templates = new Map<string, HeaderTemplate>();

/** The section for a client. A call that fails midway is shorter than a `content-length` says. */
export function responseSection(block: HeaderBlock): ResponseSection {
  return (sectionInfo(block).relayed ??= read(block)) as ResponseSection;
}

function read(block: HeaderBlock): ResponseSection {
  const { fields, status } = block;
  const common = status === 0 ? [] : [":status", String(status)], extra: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!, value = fields[i + 1]!;
    if (COMMON.has(name) || (name === "grpc-status" && value === "0")) common.push(name, value);
    else if (name !== "content-length") extra.push(name, value);
  }
  const template = templateOf(common);
  return {
    template,
    extra: extra.length === 0 ? undefined : extra,
    bytes: template.bytes + fieldListBytes(extra),
  };
}

/** Shared, as each connection remembers the encoding of each. */
function templateOf(fields: readonly string[]): HeaderTemplate {
  const key = fields.join("\n");
  let template = templates.get(key);
  if (template === undefined) {
    if (templates.size >= MOST_TEMPLATES) templates.clear();
    templates.set(key, template = new HeaderTemplate(fields));
  }
  return template;
}
