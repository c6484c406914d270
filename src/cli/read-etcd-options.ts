import type { Context } from "./command.ts";
import type { ETCD_OPTIONS } from "./etcd-options.ts";
import { EtcdTarget } from "./etcd-target.ts";
import { tlsOf } from "./etcd-tls.ts";
import { userOf } from "./etcd-user.ts";
import { usageError } from "./exit.ts";
import { layoutNamed } from "./layouts.ts";
import { durationMs } from "./values.ts";

/**
 * The etcd that a command's options and environment mean. Nothing is sent yet.
 *
 * @throws CliError with the exit code for usage.
 */
export function etcdTarget(context: Context<typeof ETCD_OPTIONS>): EtcdTarget {
  const { options, sources } = context;
  const { layout, prefix, timeout } = options;
  return new EtcdTarget({
    endpoints: endpointsOf(options.endpoints, sources.endpoints ?? "--endpoints"),
    from: sources.endpoints,
    layoutName: layout,
    layout: layoutNamed(layout, prefix, sources.prefix),
    layoutChosen: sources.layout !== undefined || sources.prefix !== undefined,
    tls: tlsOf(context),
    user: userOf(context),
    requestTimeoutMs: durationMs([sources.timeout ?? "--timeout", timeout], { least: 1, most: 600_000 }),
  });
}

function endpointsOf(text: string, from: string): readonly string[] {
  // Its value must not be shown: it holds a password.
  if (/@/.test(text)) {
    throw usageError(`${from} has user information in a URL`, "give the user as ETCDCTL_USER=name:password");
  }
  const endpoints = text.split(",").map((url) => url.trim()).filter((url) => url !== "");
  if (endpoints.length === 0) throw usageError(`${from} is empty: expected URLs such as http://127.0.0.1:2379`);
  return endpoints;
}
