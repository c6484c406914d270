// Dialling through an HTTP proxy.

import { Buffer } from "node:buffer";
import net from "node:net";
import { withoutZone } from "../endpoint.ts";
import { type Check, makes } from "../option.ts";
import type { Dial, DialTarget } from "./dial.ts";
import { opened } from "../socket/opened.ts";

/** Chooses the proxy for a target, as a URL like `http://user:password@proxy:3128`; undefined: no proxy. */
export type ProxySource = (target: DialTarget) => string | URL | undefined;

const EXPECTED = `a URL such as "http://proxy.example:3128"`;

/** The check of an option like `proxy`. Its value is not shown: a URL may contain a password. */
export const proxySource: Check = (name, value) => {
  const expected = `${EXPECTED}, or a function that returns one, such as proxyFromEnvironment()`;
  makes(expected, (value) => typeof value === "function" || typeof value === "string" || value instanceof URL)(
    name,
    value,
  );
  if (typeof value !== "function") parseProxy(`option ${name}`, value);
};

/** A proxy to dial. Its credentials are kept apart, so that no text contains them. */
interface Proxy {
  readonly host: string;
  readonly port: number;
  /** `host:port`, for messages. */
  readonly name: string;
  readonly authorization: string | undefined;
}

/** The largest header section of a response to CONNECT, in bytes. */
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * Dials through an HTTP proxy with CONNECT (RFC 9110 section 9.3.6), which resolves the target's name. Unix sockets are
 * dialled directly.
 */
export function proxyDial(source: string | URL | ProxySource): Dial {
  const fixed = typeof source === "function" ? undefined : parseProxy("the proxy", source);
  return (target, signal) => {
    if (target.host === undefined) return undefined;
    const chosen = typeof source === "function" ? source(target) : undefined;
    const proxy = chosen === undefined ? fixed : parseProxy("the proxy", chosen);
    return proxy && tunnel(proxy, authorityOf(target.host, target.port!), signal);
  };
}

/** @throws TypeError that says what `what` must be, without its user information */
export function parseProxy(what: string, value: unknown): Proxy {
  const wrong = (why: string) => new TypeError(`${what} ${why}: expected ${EXPECTED}`);
  if (typeof value !== "string" && !(value instanceof URL)) throw wrong("is not a URL");
  const text = String(value);
  // Like curl, takes a host and a port alone to mean http.
  const whole = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text) ? text : `http://${text}`;
  if (!URL.canParse(whole)) throw wrong("is not a URL");
  const { protocol, hostname, port, username, password } = new URL(whole);
  if (protocol !== "http:") throw wrong(`has the scheme "${protocol.slice(0, -1)}", which is not supported`);
  const host = hostname.replace(/^\[|\]$/g, "");
  const number = port === "" ? 80 : Number(port);
  let credentials: string | undefined;
  try {
    if (username !== "") credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    throw wrong("has a user or password whose percent-encoding is broken");
  }
  return {
    host,
    port: number,
    name: authorityOf(host, number),
    authorization: credentials && `Basic ${Buffer.from(credentials).toString("base64")}`,
  };
}

function authorityOf(host: string, port: number): string {
  return host.includes(":") ? `[${withoutZone(host)}]:${port}` : `${host}:${port}`;
}

async function tunnel(proxy: Proxy, authority: string, signal: AbortSignal): Promise<net.Socket> {
  let connected = false;
  try {
    return await opened(() => net.connect(proxy.port, proxy.host), "connect", signal, (socket) => {
      connected = true;
      return connect(socket, proxy, authority, signal);
    });
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error as Error;
    const text = connected
      ? `the proxy ${proxy.name} ${message}`
      : `the proxy ${proxy.name} can't be reached: ${message}`;
    throw new Error(text, { cause: error });
  }
}

/** Requests a tunnel and reads the response; bytes after it stay in the socket. Its errors continue "the proxy …". */
function connect(socket: net.Socket, proxy: Proxy, authority: string, signal: AbortSignal): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const done = () => {
      signal.removeEventListener("abort", abort);
      socket.off("data", data).off("end", ended).off("close", ended).off("error", fail);
      // Until its next owner listens for errors.
      socket.on("error", () => {});
    };
    const fail = (error: unknown) => {
      done();
      socket.destroy();
      reject(error);
    };
    const abort = () => fail(signal.reason);
    const ended = () => fail(new Error(`closed the connection before it answered CONNECT ${authority}`));
    const data = (chunk: Uint8Array) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf("\r\n\r\n");
      const header = received.toString("latin1", 0, end < 0 ? undefined : end);
      if (!"HTTP/1.".startsWith(header.slice(0, 7))) return fail(new Error("doesn't speak HTTP/1.1"));
      if (end > MAX_HEADER_BYTES || (end < 0 && received.length > MAX_HEADER_BYTES)) {
        return fail(new Error(`answered CONNECT ${authority} with more than ${MAX_HEADER_BYTES} bytes of headers`));
      }
      if (end < 0) return;
      const refused = refusal(header, authority);
      if (refused !== undefined) return fail(new Error(refused));
      done();
      socket.pause();
      if (received.length > end + 4) socket.unshift(received.subarray(end + 4));
      resolve(socket);
    };
    signal.addEventListener("abort", abort);
    socket.on("data", data).on("end", ended).on("close", ended).on("error", fail);
    const authorization = proxy.authorization === undefined ? "" : `Proxy-Authorization: ${proxy.authorization}\r\n`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`);
  });
}

/** Why the tunnel was refused; undefined for any status from 200 to 299. */
function refusal(header: string, authority: string): string | undefined {
  const [, status, reason = ""] = /^HTTP\/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?/.exec(header) ?? [];
  if (status === undefined) return "doesn't speak HTTP/1.1";
  if (status.startsWith("2")) return undefined;
  const said = reason.slice(0, 100).replace(/[^\x20-\x7e]/g, "?");
  // Some proxies send 401 instead of 407.
  const hint = status === "407" || status === "401" ? ": check the user and the password in the proxy's URL" : "";
  return `answered CONNECT ${authority} with ${status}${said === "" ? "" : ` ${said}`}${hint}`;
}
