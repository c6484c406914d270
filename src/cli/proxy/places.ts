import type { HostAndPort } from "../../endpoint.ts";
import { usageError } from "../exit.ts";
import { listenAddress } from "../values.ts";
import type { RouteText } from "./routes.ts";

/** Where something listens, and how the command line spells it. */
export interface Place {
  readonly text: string;
  readonly where: HostAndPort;
}

/** Where a proxy listens. */
export interface Places {
  /** For calls. */
  readonly calls: readonly Place[];
  readonly admin: Place | undefined;
}

/** Reads `--listen` and `--admin`. @throws CliError for anything else, and for places or routes that can't go together */
export function placesOf(
  { admin, listen }: { readonly admin: string | undefined; readonly listen: readonly string[] },
  routes: readonly RouteText[],
): Places {
  const wheres = listen.length === 0 ? ["127.0.0.1:9000"] : listen;
  const calls = wheres.map((text) => ({ text, where: listenAddress(["--listen", text]) }));
  calls.forEach((place, i) => {
    if (calls.slice(0, i).some(same(place))) throw usageError(`--listen has ${shown(place)} twice`);
  });
  for (const { port } of routes) {
    if (port === undefined || calls.some(({ where }) => where.port === port)) continue;
    const has = calls.map(shown).join(", ");
    throw usageError(`a route is for port ${port}, and the proxy listens on ${has}`, `add --listen ${port}`);
  }
  if (admin === undefined) return { calls, admin };
  const place = { text: admin, where: listenAddress(["--admin", admin]) };
  if (calls.some(same(place))) {
    throw usageError(`--admin and --listen are both ${shown(place)}`, "the admin port is one of its own: --admin 9001");
  }
  return { calls, admin: place };
}

/** Whether another place is the same one; port 0 is a new one each time. */
function same({ where: { host, port } }: Place): (other: Place) => boolean {
  return ({ where }) => port !== 0 && where.port === port && where.host === host;
}

function shown({ where: { host, port } }: Place): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
