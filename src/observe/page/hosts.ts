/** The names of this machine's loopback interface, as hosts of URLs. */
const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Whether a request asks for a host by which the page may be reached.
 *
 * A page on the open web can have its own name resolve to 127.0.0.1, and so read what is served there (DNS rebinding);
 * its requests still say its own name. Every name that the request gives must be allowed, because an adapter may have
 * invented the URL's.
 */
export function isAllowed(request: Request, hosts: readonly string[]): boolean {
  const header = request.headers.get("host");
  return [new URL(request.url).host, ...header === null ? [] : [header]].every((host) => isOneOf(host, hosts));
}

/** An entry without a port allows any port. */
function isOneOf(host: string, hosts: readonly string[]): boolean {
  const asked = parsed(host);
  if (asked === undefined) return false;
  if (LOOPBACK.includes(asked.hostname) || asked.hostname.endsWith(".localhost")) return true;
  return hosts.some((allowed) => {
    const { hostname, port } = parsed(allowed) ?? {};
    return hostname === asked.hostname && (port === undefined || port === asked.port);
  });
}

/** Its name as URLs spell it, and its port if it has one; undefined if it is no host, or more than that. */
function parsed(host: string): { readonly hostname: string; readonly port: string | undefined } | undefined {
  const bare = /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(host);
  const text = `http://${bare ? `[${host}]` : host}/`;
  if (/[/?#@\\\s]/.test(host) || !URL.canParse(text)) return undefined;
  return { hostname: new URL(text).hostname, port: bare ? undefined : /:([0-9]+)$/.exec(host)?.[1] };
}

/** Whether an option's value names a host, optionally with a port, and nothing else. */
export function isHost(value: unknown): boolean {
  return typeof value === "string" && parsed(value) !== undefined;
}
