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
  const url = URL.parse(`http://${host}/`);
  if (url === null || url.pathname !== "/" || url.username !== "" || url.search !== "" || url.hash !== "") return false;
  const { hostname } = url;
  if (LOOPBACK.includes(hostname) || hostname.endsWith(".localhost")) return true;
  return hosts.some((allowed) => {
    const other = URL.parse(`http://${allowed}/`);
    return other?.hostname === hostname && (!hasPort(allowed) || portOf(host) === portOf(allowed));
  });
}

const PORT = /:([0-9]+)$/;

function hasPort(host: string): boolean {
  return PORT.test(host);
}

function portOf(host: string): string | undefined {
  return PORT.exec(host)?.[1];
}

/** Whether an option's value names a host, optionally with a port, and nothing else. */
export function isHost(value: unknown): boolean {
  if (typeof value !== "string" || /[/?#@\s]/.test(value)) return false;
  return URL.canParse(`http://${value}/`);
}
