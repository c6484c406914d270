import { shownText } from "../../shown-text.ts";
import { ASSETS } from "./assets.ts";
import { isAllowed } from "./hosts.ts";
import type { PageState } from "./state.ts";
import type { Viewers } from "./viewers.ts";

/** What the handler answers from. */
export interface Observed {
  /** Names of hosts besides those of loopback. */
  readonly hosts: readonly string[];
  readonly viewers: Viewers;
  /** The state now; undefined once it is closed. */
  readonly state: () => PageState | undefined;
}

/**
 * What every response says: the page loads nothing from elsewhere and is in no frame of another site, nobody else's script
 * reads it, and nothing of it is stored.
 */
const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/**
 * Answers a request for the page or one of its parts. The last segment of the path says which, so that the page can be
 * mounted below any path.
 */
export function respond(request: Request, { hosts, viewers, state }: Observed): Response {
  const { method } = request;
  if (!isAllowed(request, hosts)) {
    const host = shownText(request.headers.get("host") ?? new URL(request.url).host);
    return text(
      403,
      `This page may not be reached as ${host}: observe({ hosts: [...] }) says by which names it may, and with the ` +
        "command connect-lb page --host NAME.",
    );
  }
  if (method !== "GET" && method !== "HEAD") {
    return text(405, "This page can only be read.", { allow: "GET, HEAD" });
  }
  const { pathname } = new URL(request.url);
  const name = pathname.slice(pathname.lastIndexOf("/") + 1);
  const file = name === "" ? "index.html" : name;
  const asset = Object.hasOwn(ASSETS, file) ? ASSETS[file] : undefined;
  if (asset !== undefined) return answer(200, asset.type, method === "HEAD" ? null : asset.text);
  if (name === "events" || name === "snapshot") {
    const now = state();
    if (now === undefined) return text(503, "The page is closed.");
    if (name === "snapshot") return answer(200, "application/json", method === "HEAD" ? null : JSON.stringify(now));
    if (method === "HEAD") return answer(200, "text/event-stream", null);
    const events = viewers.open();
    if (events === undefined) {
      return text(503, "As many viewers as there may be: try again later.", { "retry-after": "5" });
    }
    return answer(200, "text/event-stream", events);
  }
  // Mounted at "/lb", the page is at "/lb/". Relative, as "//evil.example" would lead elsewhere.
  if (!name.includes(".")) return answer(308, "text/plain", null, { location: `./${name}/` });
  return text(404, "There is nothing here.");
}

function text(status: number, line: string, headers?: Readonly<Record<string, string>>): Response {
  return answer(status, "text/plain", `${line}\n`, headers);
}

function answer(
  status: number,
  type: string,
  body: BodyInit | null,
  headers?: Readonly<Record<string, string>>,
): Response {
  return new Response(body, { status, headers: { ...HEADERS, "content-type": `${type}; charset=utf-8`, ...headers } });
}
