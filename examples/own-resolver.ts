// A resolver of your own: where your servers are, from wherever you keep that. In your own project import from
// "connect-lb" (on JSR: "@connect-lb/connect-lb") in place of "../src/index.ts", and pass it to a transport:
//
//   createBalancedTransport({ resolver: directoryResolver("http://10.0.0.1:7000", "simple"), connector: grpcConnector() })
import type { Endpoint, Resolution, Resolver } from "../src/index.ts";

/** A directory that answers with all servers of a service, or waits until they are others than those of a version. */
export function directoryResolver(url: string, service: string): Resolver {
  let version = 0;
  async function ask(after: number, signal: AbortSignal): Promise<Resolution> {
    const response = await fetch(`${url}/services/${service}?after=${after}`, { signal });
    if (!response.ok) throw new Error(`the directory answered ${response.status} for ${service}`);
    const answer = (await response.json()) as { version: number; servers: Endpoint[] };
    version = answer.version;
    return { endpoints: answer.servers };
  }
  return {
    target: service,
    scheme: "directory",
    async *resolve(signal) {
      // From the beginning: after a failure the last set may no longer be true.
      yield await ask(0, signal);
      while (!signal.aborted) yield await ask(version, signal);
    },
    list: (signal) => ask(0, signal),
  };
}
