// Proxy settings from environment variables, as gRPC reads them.

import net from "node:net";
import process from "node:process";
import { withoutZone } from "../endpoint.ts";
import { made } from "../option.ts";
import type { DialTarget } from "./dial.ts";
import { parseProxy } from "./proxy.ts";
import type { ProxySource } from "./proxy.ts";

/** Environment variables by name. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment names, for `grpcConnector({ proxy: proxyFromEnvironment() })`. The environment is read
 * by this call only. (Deno asks for permission: `--allow-env`.)
 *
 * The first of `grpc_proxy`, `https_proxy` and `http_proxy` that isn't empty is used for all calls, with or without
 * TLS, as in grpc-js and gRPC's C-core. Each may also be in upper case, except `HTTP_PROXY` in a CGI program
 * (`REQUEST_METHOD` is set), where a client could have set it. `no_grpc_proxy`, or else `no_proxy`, lists what is
 * dialled directly, separated by commas:
 *
 * - `example.com`: that host and all under it; `.example.com` or `*.example.com`: only those under it;
 * - `10.0.0.5`, `fd00::1`: an IP address; `10.0.0.0/8`, `fd00::/8`: all in that block, if the endpoint's address is an
 *   IP address: names are not resolved for this;
 * - any of these but a block with a port: only that port, as in `example.com:8000`, `[fd00::1]:8000`;
 * - `*`: everything.
 *
 * Local addresses are no exception: list `localhost,127.0.0.1` to dial them directly. Unix sockets never go through a
 * proxy.
 *
 * @throws TypeError for a proxy that is not an `http://` URL; the message names the variable, and no credentials.
 */
export function proxyFromEnvironment(env: ProxyEnvironment = process.env): ProxySource {
  const proxies = [
    ...["grpc_proxy", "GRPC_PROXY", "https_proxy", "HTTPS_PROXY", "http_proxy"],
    ...(env["REQUEST_METHOD"] ? [] : ["HTTP_PROXY"]),
  ];
  const name = proxies.find((name) => env[name]?.trim());
  if (name === undefined) return () => undefined;
  const url = env[name]!.trim();
  parseProxy(`the environment's ${name}`, url);
  const except = ["no_grpc_proxy", "NO_GRPC_PROXY", "no_proxy", "NO_PROXY"].find((name) => env[name]?.trim());
  const exceptions = (except === undefined ? "" : env[except]!).split(/[\s,]+/).filter((entry) => entry !== "");
  const rules = exceptions.map(ruleOf);
  return (target) => rules.some((matches) => matches(target)) ? undefined : url;
}

made(proxyFromEnvironment);

type Rule = (target: DialTarget) => boolean;

const NEVER: Rule = () => false;

/** What one entry of `no_proxy` matches; an invalid entry matches nothing. */
function ruleOf(entry: string): Rule {
  if (entry === "*") return () => true;
  const block = /^(.+)\/([0-9]{1,3})$/.exec(entry);
  if (block !== null) return blockRule(block[1]!, Number(block[2]));
  // An IPv6 address without brackets has colons of its own.
  const parts = /^(?:\[(.*)\]|([^:]*))(?::([0-9]+))?$/.exec(entry);
  const host = parts?.[1] ?? parts?.[2] ?? entry, port = parts?.[3];
  const hostRule = net.isIP(host) === 0 ? nameRule(host) : blockRule(host, net.isIPv4(host) ? 32 : 128);
  return port === undefined ? hostRule : (target) => target.port === Number(port) && hostRule(target);
}

function blockRule(address: string, prefix: number): Rule {
  if (net.isIP(address) === 0 || prefix > (net.isIPv4(address) ? 32 : 128)) return NEVER;
  const block = new net.BlockList();
  block.addSubnet(address, prefix, family(address));
  return ({ host = "" }) => {
    const ip = withoutZone(host);
    return net.isIP(ip) !== 0 && block.check(ip, family(ip));
  };
}

function family(address: string): "ipv4" | "ipv6" {
  return net.isIPv4(address) ? "ipv4" : "ipv6";
}

function nameRule(pattern: string): Rule {
  const name = canonical(pattern.replace(/^\*\./, "."));
  const suffix = name.startsWith(".") ? name : `.${name}`;
  if (suffix === ".") return NEVER;
  return ({ host = "" }) => canonical(host) === name || canonical(host).endsWith(suffix);
}

function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
