import type { Endpoint } from "../endpoint.ts";
import { guarded } from "../listener.ts";
import type { Connector, Link, LinkEvents } from "./link.ts";
import { markAttempt } from "./mark.ts";

/**
 * Creates the connector's link to an endpoint. A connector that throws, or returns no link, must not affect the other
 * endpoints: this endpoint then gets a link that can't be opened and says why.
 */
export function makeLink(connector: Connector, endpoint: Endpoint, events: LinkEvents): Link {
  try {
    const link = connector(endpoint, events);
    if (!isLink(link)) {
      const hint = typeof link === "function" ? ", not a function: is the connector what this function returns?" : "";
      throw new TypeError(`expected { transport, connect?, close }${hint}`);
    }
    return link;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const text = `the connector returned no link to ${endpoint.address}: ${why}`;
    const refuse = () => Promise.reject(markAttempt(new Error(text, { cause }), "not-sent"));
    return { transport: { unary: refuse, stream: refuse }, connect: refuse, close: () => Promise.resolve() };
  }
}

function isLink(link: Partial<Link> | undefined): boolean {
  const isFunction = (value: unknown) => typeof value === "function";
  return isFunction(link?.close) && (link?.connect === undefined || isFunction(link.connect)) &&
    isFunction(link?.transport?.unary) && isFunction(link?.transport?.stream);
}

/** Closes a link; see `Link.close`. Never rejects. */
export async function closeLink(link: Link, graceMs: number, streamGraceMs: number): Promise<void> {
  try {
    await link.close(graceMs, streamGraceMs);
  } catch (error) {
    console.error("connect-lb: close of a link threw", error);
  }
}

/** Returns the calls that a link has not sent yet, so that they go elsewhere. */
export function giveBack(link: Link): void {
  guarded("giveBack of a link", () => link.giveBack?.());
}
